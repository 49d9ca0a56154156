"""A position and the editorial log say the same of a text, however that ended."""

import pytest

from consumers.check.context import CheckTime
from consumers.check.findings import STUCK_S
from consumers.check.positions import find_difference
from consumers.editorial.log import EditorialLog
from consumers.intake.draft_decisions import DraftDecisions
from consumers.intake.handler import Intake
from consumers.intake.items import Decision, Position
from contracts.editorial import ItemState
from contracts.vocabulary import DEFAULT
from tests.support.crashing_bus import crash_at
from tests.support.decisions import approve_item, reject_item
from tests.support.events import ITEM, UNIT, corrected, register_unit, submitted, withdrawn

CLERK = "Trần Thị Bình"
REJECTED = {"verdict": "rejected", "by": CLERK, "hash": "h"}


@pytest.fixture
async def intake(bus, clock) -> Intake:
    await register_unit(bus, release="desk")
    return Intake(bus, DEFAULT, clock)


async def stay(intake):
    """The text waits."""


async def approve(intake):
    await approve_item(intake.decisions, ITEM, CLERK)


async def reject(intake):
    await reject_item(intake.decisions, ITEM, CLERK, code="trung-lap")


async def correct(intake):
    await intake.handle(corrected(), UNIT)


async def withdraw(intake):
    await intake.handle(withdrawn(), UNIT)


async def die(intake):
    with crash_at("desk.item_released"):
        await approve_item(intake.decisions, ITEM, CLERK)


STORIES = [
    (stay,), (approve,), (reject,), (correct,), (withdraw,), (approve, correct), (die,),
    (approve, correct, reject), (approve, correct, approve), (reject, correct, approve),
    (approve, withdraw), (approve, correct, withdraw), (reject, withdraw), (die, correct),
    (die, withdraw), (die, correct, approve),
]  # fmt: skip


async def differences(intake: Intake, at: CheckTime) -> list[str]:
    state = (await EditorialLog(intake.bus).read(ITEM)).state
    found = [await intake.repository.position(ITEM, number) for number in range(1, 5)]
    pairs = [(number, one) for number, one in enumerate(found, start=1) if one]
    return [find_difference(number, one, state, at) for number, one in pairs]


@pytest.mark.parametrize(
    "story", STORIES, ids=lambda story: "-".join(one.__name__ for one in story)
)
async def test_they_agree_once_everything_is_carried_out(bus, intake, clock, story):
    await intake.handle(submitted(), UNIT)
    for act in story:
        await act(intake)
    await DraftDecisions(bus, clock).finish_interrupted()
    at = CheckTime(clock() + STUCK_S + 1)
    assert {*await differences(intake, at)} == {""}


async def test_a_decision_in_the_log_alone_is_told_after_ten_minutes(intake, clock):
    await intake.handle(submitted(), UNIT)
    with crash_at("desk.release_begun"):
        await approve_item(intake.decisions, ITEM, CLERK)
    assert await differences(intake, CheckTime(clock() + STUCK_S - 1)) == [""]
    told = await differences(intake, CheckTime(clock() + STUCK_S + 1))
    assert told == ["waits by its record, approved by the log"]


def test_what_the_log_does_not_know_was_decided_by_an_earlier_version_or_by_nobody(clock):
    def told(**more: object) -> str:
        facts = {"event_id": "e", "hash": "h", "unit": UNIT, "kind": "submitted", "at": clock.now}
        position = Position.model_validate(facts | {"state": "refused"} | more)
        return find_difference(1, position, ItemState(), CheckTime(clock() + STUCK_S + 1))

    decision = Decision.model_validate(REJECTED | {"at": clock.now})
    assert told(decision=decision) == "rejected by its record, unknown by the log"
    assert told(decision=decision.model_copy(update={"hash": ""})) == ""
    assert told(state="released", seq=7, policy="automatic") == ""
