"""`loa check` names messages that Loa did not release, also without `--deep`."""

import time

from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from consumers.intake.handler import Intake
from contracts.vocabulary import DEFAULT
from tests.support.events import UNIT, register_unit, submitted
from tests.support.seals import FORGERIES, new_seals, write_past_the_desk


async def test_a_message_without_its_seal_is_named_and_no_plan_is_expected_of_it(bus, tmp_path):
    await register_unit(bus)
    seals = new_seals(tmp_path)
    await Intake(bus, DEFAULT, time.time, seals).handle(submitted(), UNIT)
    context = CheckContext(bus, seals=seals, recheck_after_s=0.0)
    assert (await Checker(context).run()).violations == []
    genuine = await bus.get_message("PUBLICATIONS", 1)
    for name in ("without a seal", "changed", "cut"):
        await write_past_the_desk(bus, FORGERIES[name](genuine))
    found = (await Checker(CheckContext(bus, seals=seals, recheck_after_s=0.0)).run()).violations
    assert [(one.rule, one.key) for one in found] == [
        ("publication-unexpected", f"PUBLICATIONS.{seq}") for seq in (2, 3, 4)
    ]
