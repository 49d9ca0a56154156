"""Intake may crash at any call: the same events again leave the same as no crash."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from consumers.editorial.log import EditorialLog
from consumers.intake.handler import Intake
from contracts.cloudevent import CloudEvent
from contracts.errors import ContractError
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, dying_buses
from tests.support.events import (
    UNIT,
    bucket_records,
    carry_out_acts,
    corrected,
    event_id,
    open_drafts,
    register_unit,
    released_publications,
    submitted,
    withdrawn,
)

Story = Callable[[str], Sequence[CloudEvent]]
STORIES: dict[str, tuple[str, Story]] = {
    "released": ("automatic", lambda item: [submitted(item)]),
    "corrected": ("automatic", lambda item: [submitted(item), corrected(item)]),
    "withdrawn": ("automatic", lambda item: [submitted(item), withdrawn(item)]),
    "waits": ("desk", lambda item: [submitted(item)]),
    "superseded": ("desk", lambda item: [submitted(item), corrected(item)]),
    "taken back": ("desk", lambda item: [submitted(item), withdrawn(item)]),
    "stale": ("automatic", lambda item: [submitted(item, 2), submitted(item, 1)]),
    "urgent": ("automatic", lambda item: [submitted(item, lane="urgent")]),
}


async def run(bus: Any, clock: FakeClock, events: Sequence[CloudEvent]) -> None:
    """Take events in one after another, as the stream hands them out; refusals are buried.

    The acts in the log are carried out behind them.
    """
    intake = Intake(bus, DEFAULT, clock)
    for event in events:
        try:
            await intake.handle(event, UNIT)
        except ContractError as error:
            assert error.errors
    await carry_out_acts(intake, str(events[0].data["content_id"]))


async def left_behind(bus: Bus, item: str, events: Sequence[CloudEvent]) -> Any:
    """Everything stored about an item, under names that are the same for every item."""
    ids = {event_id(event): f"E{number}" for number, event in enumerate(events)}
    records = await bucket_records(bus, "publications", item)
    drafts = [one for one in await open_drafts(bus) if one.startswith(item)]
    releases = await released_publications(bus, item)
    events = await bucket_records(bus, "events")
    booked = {id: event for id, event in events.items() if id in ids}
    seqs = {release["seq"]: f"seq{number}" for number, release in enumerate(releases)}
    kinds = [(one.kind, one.revision) async for _, one in EditorialLog(bus).acts(item)]
    acts = [one for one in kinds if one[0] != "supersede"]  # a repeat may say it before the end
    left = [records, drafts, booked, releases, acts]
    text = json.dumps(left, sort_keys=True, ensure_ascii=False)
    for old, new in {**ids, item: "ITEM"}.items():
        text = text.replace(old, new)
    text = re.sub(r'"seq": (\d+)', lambda seq: f'"seq": "{seqs[int(seq[1])]}"', text)
    return json.loads(re.sub(r'"hash": "\w+"', '"hash": "H"', text))


@pytest.mark.promise("2.3")
@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
@pytest.mark.parametrize("story", STORIES)
async def test_a_crash_at_any_call_leaves_the_same_as_no_crash(bus, clock, story, after):
    release, tell = STORIES[story]
    await register_unit(bus, release=release)
    clean = "clean-0"
    await run(bus, clock, tell(clean))
    expected = await left_behind(bus, clean, tell(clean))
    for number, dying in enumerate(dying_buses(bus, after=after, fewest=8)):
        item = f"crash-{number}"
        try:
            await run(dying, clock, tell(item))
        except SimulatedCrash:
            await run(bus, clock, tell(item))
        assert await left_behind(bus, item, tell(item)) == expected, f"call {number}"
