"""Intake on a real bus: what becomes of each event, and that repeats change nothing."""

import asyncio
import json
from typing import Any

import pytest

from consumers.intake.handler import Intake
from consumers.runtime.errors import RetryLater
from contracts import events, subjects
from contracts.envelope import to_structured
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.support.events import (
    ITEM,
    UNIT,
    bucket_records,
    carry_out_acts,
    corrected,
    event_id,
    open_drafts,
    register_unit,
    released_actions,
    released_publications,
    stored_position,
    submitted,
    withdrawn,
)
from tests.support.expired_message_ids import expire_message_ids


async def test_content_of_an_automatic_unit_is_released_at_once(bus, intake):
    await intake.handle(submitted(), UNIT, "submitted")
    [released] = await released_publications(bus)
    assert released["action"] == "published"
    assert released["unit"] == UNIT
    assert released["event_id"] == event_id(submitted())
    assert released["first_released_at"] == released["released_at"]
    record = await stored_position(bus)
    assert (record["state"], record["seq"]) == ("released", released["seq"])
    await carry_out_acts(intake)
    assert await open_drafts(bus) == []


class ConcurrentPublishers:
    """A bus on which publishers wait for each other, so that they publish at the same moment."""

    def __init__(self, bus: Bus, barrier: asyncio.Barrier) -> None:
        self.bus = bus
        self.barrier = barrier

    async def publish(self, *args: Any, **options: Any) -> Any:
        await self.barrier.wait()
        return await self.bus.publish(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bus, name)


async def test_the_same_event_on_two_machines_at_once_is_released_once(bus, intake):
    meeting: Any = ConcurrentPublishers(bus, asyncio.Barrier(2))
    machines = [Intake(meeting, DEFAULT, intake.clock) for _ in range(2)]
    await asyncio.gather(*(one.handle(submitted(), UNIT) for one in machines))
    assert len(await released_publications(bus)) == 1


@pytest.mark.promise("2.3")
async def test_a_publication_is_not_stored_twice_when_the_stream_forgot_its_message_id(bus, intake):
    """The crash came between publishing and noting it; the stream was away for a day since."""
    await intake.handle(submitted(), UNIT)
    records = bus.bucket(subjects.PUBLISHED.name)
    record = json.loads((await records.get(f"{ITEM}.1")).data)
    await records.put(f"{ITEM}.1", json.dumps(record | {"seq": None}).encode())
    await expire_message_ids(bus, subjects.PUBLICATIONS.name)
    await intake.handle(submitted(), UNIT)
    [released] = await released_publications(bus)
    assert (await stored_position(bus))["seq"] == released["seq"]


async def test_a_correction_keeps_the_first_release(bus, intake, clock):
    await intake.handle(submitted(), UNIT)
    clock.advance(3600)
    await intake.handle(corrected(), UNIT)
    first, second = await released_publications(bus)
    assert second["action"] == "corrected"
    assert second["first_released_at"] == first["released_at"]
    assert second["released_at"] > first["released_at"]


LONG = "Bộ Nội vụ công bố thủ tục hành chính mới ban hành trong lĩnh vực tổ chức bộ máy " * 3
SHORT = "Công bố thủ tục hành chính mới"


@pytest.mark.parametrize(
    ("own", "title", "short"),
    [
        ({}, LONG.strip(), SHORT),
        ({"title": "Tin đã gỡ"}, "Tin đã gỡ", None),
        ({"title": "Tin đã gỡ", "short_title": "Đã gỡ"}, "Tin đã gỡ", "Đã gỡ"),
    ],
)
async def test_a_withdrawal_keeps_the_short_title_unless_it_has_a_title(
    bus, intake, own, title, short
):
    await intake.handle(submitted(title=LONG, short_title=SHORT), UNIT)
    taken_back = withdrawn()
    await intake.handle(taken_back.model_copy(update={"data": taken_back.data | own}), UNIT)
    first, last = await released_publications(bus)
    assert (first["title"], first["short_title"]) == (LONG.strip(), SHORT)
    assert (last["title"], last.get("short_title")) == (title, short)


async def test_what_is_repeated_later_does_not_come_back_over_a_newer_text(bus, intake):
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(), UNIT)
    await intake.handle(submitted(), UNIT)
    assert [one["revision"] for one in await released_publications(bus)] == [1, 2]


async def test_a_withdrawal_is_one_more_position_with_the_card_of_the_newest_text(bus, intake):
    await intake.handle(submitted(), UNIT)
    changes = {"title": "Bản đúng", "topic": "lich-nghi-le", "audiences": ["can-bo"]}
    await intake.handle(corrected(**changes, channels=["portal"]), UNIT)
    await intake.handle(withdrawn(), UNIT, "withdrawn")
    last = (await released_publications(bus))[-1]
    assert (last["action"], last["revision"]) == ("withdrawn", 3)
    assert last["reason"] == "Nội dung chưa chính xác"
    assert {key: last[key] for key in changes} == changes
    assert set(last["channels"]) == {"portal", "email", "zalo"}  # wherever any text went


async def test_a_withdrawal_repeated_a_year_later_does_not_touch_a_newer_text(bus, intake):
    await intake.handle(submitted(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    await intake.handle(submitted(revision=3), UNIT)
    await intake.handle(withdrawn(), UNIT)
    actions = [(one["revision"], one["action"]) for one in await released_publications(bus)]
    assert actions == [(1, "published"), (2, "withdrawn"), (3, "published")]


async def test_a_second_withdrawal_tells_readers_nothing(bus, intake):
    await intake.handle(submitted(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    await intake.handle(withdrawn(id="once-more"), UNIT)
    assert await released_actions(bus) == ["published", "withdrawn"]


@pytest.mark.parametrize("follower", [withdrawn(), corrected()], ids=["withdrawn", "corrected"])
async def test_what_overtakes_its_item_waits_for_it(bus, intake, follower):
    for event in (submitted(), follower):
        subject = subjects.content(UNIT, events.kind_of(event.type))
        await bus.publish(subject, to_structured(event))
    content, intake_durable = subjects.CONTENT.name, subjects.INTAKE
    pull = await bus.js.pull_subscribe_bind(consumer=intake_durable, stream=content)
    first, second = await pull.fetch(2)
    with pytest.raises(RetryLater):
        await intake.handle(follower, UNIT, seq=second.metadata.sequence.stream)
    assert await bucket_records(bus, "publications") == {}
    await intake.handle(submitted(), UNIT, seq=first.metadata.sequence.stream)
    await first.ack_sync()
    await intake.handle(follower, UNIT, seq=second.metadata.sequence.stream)
    assert await released_actions(bus) == ["published", events.kind_of(follower.type)]


async def test_events_of_one_item_are_taken_in_as_they_came(bus, intake, monkeypatch):
    """However long the bus takes to book each of them."""
    book, turns = intake.event_log.record, iter((0.3, 0.2, 0.0))

    async def slow(*event):
        await asyncio.sleep(next(turns))
        return await book(*event)

    monkeypatch.setattr(intake.event_log, "record", slow)
    events = [submitted(), corrected(), withdrawn()]
    await asyncio.gather(*(intake.handle(event, UNIT) for event in events))
    actions = await released_actions(bus)
    assert actions == ["published", "corrected", "withdrawn"]


async def test_a_unit_without_rules_goes_by_the_desk(bus, clock):
    await Intake(bus, DEFAULT, clock).handle(submitted(), UNIT)
    assert await open_drafts(bus) == [f"{ITEM}.1"]
    assert (await stored_position(bus))["state"] == "waiting"
    assert await released_publications(bus) == []


async def test_a_newer_revision_takes_the_place_of_the_one_that_waits(bus, intake):
    await register_unit(bus, release="desk")
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(), UNIT)
    assert await open_drafts(bus) == [f"{ITEM}.2"]
    record = await stored_position(bus)
    assert (record["state"], record["code"]) == ("refused", "superseded")


async def test_a_withdrawal_takes_what_waits_off_the_desk_and_publishes_nothing(bus, intake):
    await register_unit(bus, release="desk")
    await intake.handle(submitted(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    assert await open_drafts(bus) == []
    assert await released_publications(bus) == []
    records = await bucket_records(bus, "publications")
    assert [records[f"{ITEM}.{n}"]["state"] for n in (1, 2)] == ["withdrawn", "withdrawn"]
    await intake.handle(submitted(), UNIT)
    assert await open_drafts(bus) == []


async def test_a_desk_unit_takes_back_at_once(bus, intake):
    await intake.handle(submitted(), UNIT)
    await register_unit(bus, release="desk")
    await intake.handle(corrected(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    assert await released_actions(bus) == ["published", "withdrawn"]
    await carry_out_acts(intake)
    assert await open_drafts(bus) == []


async def test_revisions_of_one_item_at_once_end_with_the_newest(bus, intake):
    events = [submitted(revision=number) for number in range(1, 9)]
    await asyncio.gather(*(intake.handle(event, UNIT) for event in events), return_exceptions=True)
    item = (await bucket_records(bus, "publications"))[ITEM]
    assert item["revision"] == 8
    assert sorted(one["revision"] for one in await released_publications(bus)) == sorted(
        int(number) for number in item["released"]
    )


async def test_positions_are_those_that_were_released(intake):
    assert await intake.repository.released_positions(ITEM) == []
    await intake.handle(submitted(), UNIT)
    await intake.handle(submitted(revision=7), UNIT)
    await intake.handle(withdrawn(), UNIT)
    assert await intake.repository.released_positions(ITEM) == [1, 7, 8]
