"""Intake on a real bus: who may say what, what becomes of it, and that repeats change nothing."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from consumers.intake import Intake
from consumers.settle import Later
from contracts import events, subjects
from contracts.cloudevent import CloudEvent
from contracts.envelope import to_structured
from contracts.errors import Conflict, ContractError, Forbidden
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.arrivals import (
    ITEM,
    UNIT,
    an_event,
    corrected,
    event_id,
    in_bucket,
    published,
    submitted,
    unit_is,
    withdrawn,
)
from tests.conftest import Clock
from tests.crashing import Crash, doomed

OTHER = "vu-cai-cach-hanh-chinh"


@pytest.fixture
async def intake(bus: Bus, clock: Clock) -> Intake:
    await unit_is(bus)
    return Intake(bus, DEFAULT, clock)


async def refusal(work: Awaitable[Any]) -> ContractError:
    with pytest.raises(ContractError) as caught:
        await work
    return caught.value


def fields(error: ContractError) -> list[str]:
    return [one.field for one in error.errors]


async def test_content_of_an_automatic_unit_is_released_at_once(bus, intake):
    await intake.handle(submitted(), UNIT, "submitted")
    [released] = await published(bus)
    assert released["action"] == "published"
    assert released["unit"] == UNIT
    assert released["event_id"] == event_id(submitted())
    assert released["first_released_at"] == released["released_at"]
    record = (await in_bucket(bus, "publications"))[f"{ITEM}.1"]
    assert (record["state"], record["seq"]) == ("released", released["seq"])
    assert await in_bucket(bus, "desk") == {}


async def test_the_same_event_a_hundred_times_at_once_and_later_is_released_once(
    bus, intake, clock
):
    await asyncio.gather(*(intake.handle(submitted(), UNIT) for _ in range(100)))
    clock.advance(365 * 86400)
    await intake.handle(submitted(), UNIT)
    assert len(await published(bus)) == 1


class Meeting:
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
    meeting: Any = Meeting(bus, asyncio.Barrier(2))
    machines = [Intake(meeting, DEFAULT, intake.clock) for _ in range(2)]
    await asyncio.gather(*(one.handle(submitted(), UNIT) for one in machines))
    assert len(await published(bus)) == 1


async def test_a_publication_is_not_stored_twice_when_the_stream_forgot_its_message_id(bus, intake):
    """The crash came between publishing and noting it; the stream was away for a day since."""
    await intake.handle(submitted(), UNIT)
    records = bus.bucket(subjects.PUBLISHED.name)
    record = json.loads((await records.get(f"{ITEM}.1")).data)
    await records.put(f"{ITEM}.1", json.dumps(record | {"seq": None}).encode())
    config = (await bus.stream_info("PUBLICATIONS"))["config"] | {"duplicate_window": 100_000_000}
    await bus.link.api("STREAM.UPDATE.PUBLICATIONS", config)
    await asyncio.sleep(0.3)  # the server's own window has to pass
    await intake.handle(submitted(), UNIT)
    [released] = await published(bus)
    assert (await in_bucket(bus, "publications"))[f"{ITEM}.1"]["seq"] == released["seq"]


async def test_an_event_of_another_unit_is_refused(bus, intake):
    error = await refusal(intake.handle(submitted(), OTHER))
    assert isinstance(error, Forbidden)
    assert fields(error) == ["source"]
    assert await in_bucket(bus, "events") == {}


async def test_a_unit_nobody_knows_is_refused(intake):
    event = an_event("submitted", submitted().data, source="/elsewhere")
    assert fields(await refusal(intake.handle(event, "khong-co-don-vi-nay"))) == ["source"]


async def test_the_subject_must_say_what_the_type_says(intake):
    assert fields(await refusal(intake.handle(submitted(), UNIT, "withdrawn"))) == ["type"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "data.title"),
        ({"topic": "khong-co"}, "data.topic"),
        ({"colour": "red"}, "data.colour"),
        ({"body": "a\u202eb"}, "data.body"),
        ({"revision": 0}, "data.revision"),
    ],
)
async def test_the_bus_door_names_the_wrong_field(bus, intake, change, field):
    event = submitted().model_copy(update={"data": submitted().data | change})
    assert fields(await refusal(intake.handle(event, UNIT))) == [field]
    assert await in_bucket(bus, "publications") == {}


async def test_a_case_event_is_not_taken_yet(intake):
    event = an_event("submitted", submitted().data, type="vn.gov.moha.case.updated.v1")
    assert fields(await refusal(intake.handle(event, UNIT, "updated"))) == ["type"]


async def test_the_same_id_with_another_content_is_refused_and_leaves_the_first_alone(bus, intake):
    await intake.handle(submitted(), UNIT)
    error = await refusal(intake.handle(submitted(title="Một tiêu đề khác"), UNIT))
    assert isinstance(error, Conflict)
    assert fields(error) == ["id"]
    assert len(await published(bus)) == 1
    assert (await in_bucket(bus, "events"))[event_id(submitted())]["refused"] == []


async def test_an_item_belongs_to_the_unit_that_named_it_first(bus, intake):
    await intake.handle(submitted(), UNIT)
    theirs = submitted(revision=2).model_copy(update={"source": f"/units/{OTHER}"})
    error = await refusal(intake.handle(theirs, OTHER))
    assert isinstance(error, Forbidden)
    assert fields(error) == ["data.content_id"]
    gone = withdrawn(source=f"/units/{OTHER}")
    assert fields(await refusal(intake.handle(gone, OTHER))) == ["data.content_id"]
    assert len(await published(bus)) == 1


async def test_the_door_may_have_reserved_the_item(bus, intake):
    """The HTTP door books ownership and the event before intake sees it."""
    owner = json.dumps({"unit": UNIT, "revision": 0}).encode()
    await bus.bucket(subjects.PUBLISHED.name).create(ITEM, owner)
    await intake.handle(submitted(), UNIT)
    assert len(await published(bus)) == 1


async def test_a_revision_that_is_not_newer_is_refused_with_the_current_one(bus, intake):
    await intake.handle(submitted(revision=3), UNIT)
    error = await refusal(intake.handle(submitted(revision=2), UNIT))
    assert fields(error) == ["data.revision"]
    assert "3" in error.errors[0].message
    assert "3" in error.errors[0].message_vi
    assert [one["revision"] for one in await published(bus)] == [3]
    record = (await in_bucket(bus, "publications"))[f"{ITEM}.2"]
    assert record["state"] == "refused"
    marked = (await in_bucket(bus, "events"))[event_id(submitted(revision=2))]
    assert marked["refused"][0]["field"] == "data.revision"


async def test_a_revision_used_by_another_event_is_refused(bus, intake):
    await intake.handle(submitted(), UNIT)
    again = submitted().model_copy(update={"id": "another-name"})
    error = await refusal(intake.handle(again, UNIT))
    assert isinstance(error, Conflict)
    assert fields(error) == ["data.revision"]
    record = (await in_bucket(bus, "publications"))[f"{ITEM}.1"]
    assert (record["state"], record["event_id"]) == ("released", event_id(submitted()))


async def test_the_urgent_lane_is_for_units_that_may_use_it(bus, intake):
    urgent = submitted(lane="urgent")
    assert fields(await refusal(intake.handle(urgent, UNIT))) == ["data.lane"]
    assert (await in_bucket(bus, "publications"))[f"{ITEM}.1"]["state"] == "refused"
    await unit_is(bus, urgent=True)
    await intake.handle(urgent, UNIT)
    assert [one["lane"] for one in await published(bus)] == ["urgent"]
    assert (await in_bucket(bus, "publications"))[f"{ITEM}.1"]["state"] == "released"
    assert (await in_bucket(bus, "events"))[event_id(urgent)]["refused"] == []


async def test_after_a_refusal_another_event_may_have_the_revision(bus, intake):
    await refusal(intake.handle(submitted(lane="urgent"), UNIT))
    mended = submitted().model_copy(update={"id": "mended"})
    await intake.handle(mended, UNIT)
    record = (await in_bucket(bus, "publications"))[f"{ITEM}.1"]
    assert (record["state"], record["event_id"]) == ("released", event_id(mended))


async def test_a_correction_keeps_the_first_release(bus, intake, clock):
    await intake.handle(submitted(), UNIT)
    clock.advance(3600)
    await intake.handle(corrected(), UNIT)
    first, second = await published(bus)
    assert second["action"] == "corrected"
    assert second["first_released_at"] == first["released_at"]
    assert second["released_at"] > first["released_at"]


async def test_what_is_repeated_later_does_not_come_back_over_a_newer_text(bus, intake):
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(), UNIT)
    await intake.handle(submitted(), UNIT)
    assert [one["revision"] for one in await published(bus)] == [1, 2]


async def test_a_withdrawal_is_one_more_position_with_the_card_of_the_newest_text(bus, intake):
    await intake.handle(submitted(), UNIT)
    changes = {"title": "Bản đúng", "topic": "lich-nghi-le", "audiences": ["can-bo"]}
    await intake.handle(corrected(**changes, channels=["portal"]), UNIT)
    await intake.handle(withdrawn(), UNIT, "withdrawn")
    last = (await published(bus))[-1]
    assert (last["action"], last["revision"]) == ("withdrawn", 3)
    assert last["reason"] == "Nội dung chưa chính xác"
    assert (last["title"], last["topic"], last["audiences"]) == (
        "Bản đúng",
        "lich-nghi-le",
        ["can-bo"],
    )
    assert set(last["channels"]) == {"portal", "email", "zalo"}  # wherever any text went


async def test_a_withdrawal_repeated_a_year_later_does_not_touch_a_newer_text(bus, intake):
    await intake.handle(submitted(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    await intake.handle(submitted(revision=3), UNIT)
    await intake.handle(withdrawn(), UNIT)
    actions = [(one["revision"], one["action"]) for one in await published(bus)]
    assert actions == [(1, "published"), (2, "withdrawn"), (3, "published")]


async def test_a_second_withdrawal_tells_readers_nothing(bus, intake):
    await intake.handle(submitted(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    await intake.handle(withdrawn(id="once-more"), UNIT)
    assert [one["action"] for one in await published(bus)] == ["published", "withdrawn"]


async def test_what_nobody_sent_cannot_be_withdrawn(bus, intake):
    assert fields(await refusal(intake.handle(withdrawn(), UNIT))) == ["data.content_id"]
    assert await in_bucket(bus, "publications") == {}


async def test_a_withdrawal_that_overtakes_its_item_waits_for_it(bus, intake):
    for event in (submitted(), withdrawn()):
        subject = subjects.content(UNIT, events.kind_of(event.type))
        await bus.publish(subject, to_structured(event))
    content, intake_durable = subjects.CONTENT.name, subjects.INTAKE
    pull = await bus.js.pull_subscribe_bind(consumer=intake_durable, stream=content)
    first, second = await pull.fetch(2)
    with pytest.raises(Later):
        await intake.handle(withdrawn(), UNIT, seq=second.metadata.sequence.stream)
    await intake.handle(submitted(), UNIT, seq=first.metadata.sequence.stream)
    await first.ack_sync()
    await intake.handle(withdrawn(), UNIT, seq=second.metadata.sequence.stream)
    assert [one["action"] for one in await published(bus)] == ["published", "withdrawn"]


async def test_an_unknown_item_is_refused_once_everything_earlier_is_settled(bus, intake):
    ack = await bus.publish(subjects.content(UNIT, "withdrawn"), to_structured(withdrawn()))
    pull = await bus.js.pull_subscribe_bind(consumer=subjects.INTAKE, stream=subjects.CONTENT.name)
    await pull.fetch(1)
    error = await refusal(intake.handle(withdrawn(), UNIT, seq=ack.seq))
    assert fields(error) == ["data.content_id"]


async def test_events_of_one_item_are_taken_in_as_they_came(bus, intake, monkeypatch):
    """However long the bus takes to book each of them."""
    book, turns = intake.seen.book, iter((0.3, 0.2, 0.0))

    async def slow(*event):
        await asyncio.sleep(next(turns))
        return await book(*event)

    monkeypatch.setattr(intake.seen, "book", slow)
    events = [submitted(), corrected(), withdrawn()]
    await asyncio.gather(*(intake.handle(event, UNIT) for event in events))
    actions = [one["action"] for one in await published(bus)]
    assert actions == ["published", "corrected", "withdrawn"]


async def test_content_of_a_desk_unit_waits(bus, intake):
    await unit_is(bus, release="desk")
    await intake.handle(submitted(), UNIT)
    assert await published(bus) == []
    assert list(await in_bucket(bus, "desk")) == [f"{ITEM}.1"]
    assert (await in_bucket(bus, "publications"))[f"{ITEM}.1"]["state"] == "waiting"


async def test_a_unit_without_rules_goes_by_the_desk(bus, clock):
    await Intake(bus, DEFAULT, clock).handle(submitted(), UNIT)
    assert list(await in_bucket(bus, "desk")) == [f"{ITEM}.1"]


async def test_a_newer_revision_takes_the_place_of_the_one_that_waits(bus, intake):
    await unit_is(bus, release="desk")
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(), UNIT)
    assert list(await in_bucket(bus, "desk")) == [f"{ITEM}.2"]
    record = (await in_bucket(bus, "publications"))[f"{ITEM}.1"]
    assert (record["state"], record["code"]) == ("refused", "superseded")


async def test_a_withdrawal_takes_what_waits_off_the_desk_and_publishes_nothing(bus, intake):
    await unit_is(bus, release="desk")
    await intake.handle(submitted(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    assert await in_bucket(bus, "desk") == {}
    assert await published(bus) == []
    records = await in_bucket(bus, "publications")
    assert [records[f"{ITEM}.{n}"]["state"] for n in (1, 2)] == ["withdrawn", "withdrawn"]
    await intake.handle(submitted(), UNIT)
    assert await in_bucket(bus, "desk") == {}


async def test_a_desk_unit_takes_back_at_once(bus, intake):
    await intake.handle(submitted(), UNIT)
    await unit_is(bus, release="desk")
    await intake.handle(corrected(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    assert [one["action"] for one in await published(bus)] == ["published", "withdrawn"]
    assert await in_bucket(bus, "desk") == {}


async def test_revisions_of_one_item_at_once_end_with_the_newest(bus, intake):
    events = [submitted(revision=number) for number in range(1, 9)]
    await asyncio.gather(*(intake.handle(event, UNIT) for event in events), return_exceptions=True)
    item = (await in_bucket(bus, "publications"))[ITEM]
    assert item["revision"] == 8
    assert sorted(one["revision"] for one in await published(bus)) == sorted(
        int(number) for number in item["released"]
    )


async def test_positions_are_those_that_were_released(intake):
    assert await intake.release.positions(ITEM) == []
    await intake.handle(submitted(), UNIT)
    await intake.handle(submitted(revision=7), UNIT)
    await intake.handle(withdrawn(), UNIT)
    assert await intake.release.positions(ITEM) == [1, 7, 8]


# --- a crash at any call, then the same events again


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


async def run(bus: Any, clock: Clock, events: Sequence[CloudEvent]) -> None:
    """Take events in one after another, as the stream hands them out; refusals are buried."""
    intake = Intake(bus, DEFAULT, clock)
    for event in events:
        try:
            await intake.handle(event, UNIT)
        except ContractError as error:
            assert error.errors


async def left_behind(bus: Bus, item: str, events: Sequence[CloudEvent]) -> Any:
    """Everything stored about an item, under names that are the same for every item."""
    known = {event_id(event): f"E{number}" for number, event in enumerate(events)}
    records = await in_bucket(bus, "publications", item)
    drafts = await in_bucket(bus, "desk", item)
    releases = await published(bus, item)
    booked = {id: one for id, one in (await in_bucket(bus, "events")).items() if id in known}
    seqs = {one["seq"]: f"seq{number}" for number, one in enumerate(releases)}
    text = json.dumps([records, drafts, booked, releases], sort_keys=True, ensure_ascii=False)
    for old, new in {**known, item: "ITEM"}.items():
        text = text.replace(old, new)
    text = re.sub(r'"seq": (\d+)', lambda found: f'"seq": "{seqs[int(found[1])]}"', text)
    return json.loads(re.sub(r'"hash": "\w+"', '"hash": "H"', text))


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
@pytest.mark.parametrize("story", STORIES)
async def test_a_crash_at_any_call_leaves_the_same_as_no_crash(bus, clock, story, after):
    release, tell = STORIES[story]
    await unit_is(bus, release=release)
    clean = "clean-0"
    await run(bus, clock, tell(clean))
    expected = await left_behind(bus, clean, tell(clean))
    for calls in range(1, 100):
        item = f"crash-{calls}"
        try:
            await run(doomed(bus, calls, after=after), clock, tell(item))
        except Crash:
            await run(bus, clock, tell(item))
            assert await left_behind(bus, item, tell(item)) == expected, f"call {calls}"
        else:
            assert calls > 8  # every call was the last one once
            return
    pytest.fail("the story never ended")
