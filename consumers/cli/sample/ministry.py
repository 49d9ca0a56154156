"""Fills the bus of a demo with a sample ministry."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL

from consumers.app.settings import LoaSettings, load_vocabulary
from consumers.cli.sample.items import (
    SampleItem,
    SampleItems,
    read_campaign,
    read_items,
)
from consumers.cli.sample.people import Credentials, SamplePeople
from consumers.cli.sample.sender import UNIT, SampleSender
from consumers.intake.draft_decisions import DraftDecisions
from consumers.key_file import open_key_file
from consumers.messages import field_error
from consumers.seals.takeover import SealRecords
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.policy import default_policy
from contracts.errors import Conflict
from producers.bus import Bus
from producers.units.registry import UnitRegistry

_SERIES = "ban-tin-cai-cach-hanh-chinh"
"""The bulletin whose next issue lies on the desk as a draft."""
_BESIDE = 3
"""Items besides those of the plan: the issue, the campaign, and what a unit's system sent."""


@dataclass(frozen=True)
class SampleMinistry:
    """The accounts that were added, their credentials, and the number of items."""

    people: Sequence[Account]
    credentials: Credentials
    items: int


async def fill(bus: Bus, settings: LoaSettings, receiver: URL) -> SampleMinistry:
    """Add units, accounts, items of every status, a bulletin, a campaign, events.

    *receiver*: the address that is called about the events.
    Raises Conflict for a bus that has accounts: its data are not a demo's.
    """
    accounts = AccountStore(bus, time.time)
    if await accounts.is_in_use():
        raise Conflict(field_error("bus", "sample_in_use"))
    keys, vocabulary = await open_key_file(bus, settings.key_file), load_vocabulary(settings)
    seals = await SealRecords(bus, keys, settings.seals_file).open_or_take_over(time.time)
    plan, credentials = read_items(), Credentials.new()
    units = sorted({item.unit for item in plan})
    registry = UnitRegistry(bus, vocabulary, time.time)
    for unit in units:
        await registry.add(unit, release="desk", urgent=True)
    staff = SamplePeople(accounts, keys.derive, default_policy())
    people = await staff.add_all(units, credentials)
    items = SampleItems(DraftDecisions(bus, time.time, seals), vocabulary, people, time.time)
    await items.add_campaign(read_campaign())
    names = [await items.add(item) for item in plan]
    await items.begin_issue(_SERIES)
    await SampleSender(bus, keys, vocabulary).send_all(_foreign(plan, names), receiver)
    return SampleMinistry([*people.values()], credentials, len(names) + _BESIDE)


def _foreign(plan: Sequence[SampleItem], names: Sequence[str]) -> str:
    """An item of another unit than the one whose system sends."""
    return next(name for item, name in zip(plan, names, strict=True) if item.unit != UNIT)
