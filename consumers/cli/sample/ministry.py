"""Fills the bus of a demo with a sample ministry."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consumers.app.settings import LoaSettings, load_vocabulary
from consumers.cli.sample.items import (
    SampleItem,
    SampleItems,
    read_campaign,
    read_items,
    read_letter_titles,
)
from consumers.cli.sample.people import Credentials, SamplePeople
from consumers.intake.draft_decisions import DraftDecisions
from consumers.key_file import open_key_file
from consumers.messages import field_error
from consumers.seals.takeover import SealRecords
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.policy import default_policy
from contracts import events
from contracts.cloudevent import CloudEvent
from contracts.errors import Conflict
from producers.bus import Bus
from producers.publisher import Publisher
from producers.units.registry import UnitRegistry

_LETTER_UNIT = "trung-tam-cong-nghe-thong-tin"
_UNKNOWN_ITEM = "khong-co-tin-nay"
_SERIES = "ban-tin-cai-cach-hanh-chinh"
"""The bulletin whose next issue lies on the desk as a draft."""
_BESIDE = 2
"""Items besides those of the plan: the issue and the campaign."""


@dataclass(frozen=True)
class SampleMinistry:
    """The accounts that were added, their credentials, and the number of items."""

    people: Sequence[Account]
    credentials: Credentials
    items: int


async def fill(bus: Bus, settings: LoaSettings) -> SampleMinistry:
    """Add units, accounts, items of every status, a bulletin, a campaign and dead letters.

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
    await _send_letters(Publisher(bus, _LETTER_UNIT, vocabulary=vocabulary), _foreign(plan, names))
    return SampleMinistry([*people.values()], credentials, len(names) + _BESIDE)


def _foreign(plan: Sequence[SampleItem], names: Sequence[str]) -> str:
    """An item of a unit other than the one that sends the letters."""
    return next(name for item, name in zip(plan, names, strict=True) if item.unit != _LETTER_UNIT)


async def _send_letters(publisher: Publisher, foreign: str) -> None:
    """Send events that the door takes and intake refuses: they become dead letters."""
    later, mended, renewed = read_letter_titles()
    corrected = {"corrects_revision": 1, "revision": 2}
    data: list[dict[str, Any]] = [
        {"content_id": foreign, "revision": 9, "title": later},
        {**corrected, "content_id": _UNKNOWN_ITEM, "title": mended},
        {**corrected, "content_id": foreign, "title": renewed},
    ]
    for one in data:
        await publisher.publish(_event({"topic": "chuyen-doi-so", "body": one["title"], **one}))


def _event(data: dict[str, Any]) -> CloudEvent:
    is_correction = "corrects_revision" in data
    return CloudEvent(
        specversion="1.0",
        id=f"mau.{secrets.token_hex(8)}",
        source=f"{events.UNIT_SOURCE_PREFIX}{_LETTER_UNIT}",
        type=events.CORRECTED if is_correction else events.SUBMITTED,
        subject=data["content_id"],
        time=datetime.now(UTC),
        data=data,
    )
