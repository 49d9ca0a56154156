"""After a restore: what may have gone out before is declared, what is certainly new is not."""

from datetime import UTC, datetime
from functools import partial

import pytest

from consumers.intake.handler import Intake
from consumers.operations import backup, restore
from consumers.restored import last_restore
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey, Status
from contracts.publication import StoredPublication
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.nats_server import NatsServer
from tests.support.decisions import approve_item
from tests.support.delivery_pipeline import DeliveryPipeline
from tests.support.events import (
    ITEM,
    UNIT,
    event_id,
    register_unit,
    released_publications,
    submitted,
    withdrawn,
)
from tests.support.restored_bus import (
    CLERK,
    backup_folder,
    during_backup,
    opened_backup,
    restored_bus,
    save_bus,
)
from tests.support.scripted_channel import StaticReaders, reader_ids

HOUR_S = 3600.0


def at(clock, after_s: float = 0.0) -> datetime:
    return datetime.fromtimestamp(clock() + after_s, UTC)


def sent_at(moment: datetime | None, item: str = ITEM, **changes):
    return submitted(item, **changes).model_copy(update={"time": moment})


async def handled(bus, clock, event) -> None:
    await Intake(bus, DEFAULT, clock).handle(event, UNIT)


async def doubted(bus, item: str = ITEM) -> list[bool]:
    """Of each of the item's publications, oldest first."""
    doubts = await restore.active_doubts(bus)
    messages = [m async for m in bus.scan("PUBLICATIONS", f"publication.*.{item}")]
    return [
        await doubts.may_have_been_published(publications.decode(one.data), one.seq)
        for one in messages
    ]


@pytest.mark.parametrize("said_s", [0.0, 9 * HOUR_S], ids=["older", "of the future"])
async def test_a_draft_that_is_approved_a_second_time_is_in_doubt(bus, tmp_path, clock, said_s):
    """It was approved and mailed after the backup, which this Loa cannot know.

    Its event counts as older, because it was accepted before; its own time does not matter.
    """
    await register_unit(bus, release="desk")
    await handled(bus, clock, sent_at(at(clock, said_s)))
    await save_bus(bus, tmp_path, clock)
    clock.advance(HOUR_S)
    async with restored_bus(tmp_path, clock) as new:
        clock.advance(HOUR_S)
        decisions = Intake(new, DEFAULT, clock).decisions
        await approve_item(decisions, ITEM, CLERK)
        assert await doubted(new) == [True]


async def test_an_event_that_is_taken_in_a_second_time_is_in_doubt(
    bus, tmp_path, clock, monkeypatch
):
    """It came and was published while the backup went on: CONTENT has it, PUBLICATIONS not."""
    await register_unit(bus)
    event = sent_at(at(clock))
    take_in = partial(handled, clock=clock, event=event)
    with during_backup(monkeypatch, subjects.DEAD.name, take_in):
        await save_bus(bus, tmp_path, clock)
    clock.advance(HOUR_S)
    async with restored_bus(tmp_path, clock) as new:
        clock.advance(HOUR_S)
        assert await released_publications(new) == []
        await handled(new, clock, event)
        assert await doubted(new) == [True]


async def test_an_event_is_in_doubt_unless_it_says_that_it_is_new(bus, tmp_path, clock):
    """Nothing of the items but the first is in the backup."""
    await register_unit(bus)
    await handled(bus, clock, sent_at(at(clock)))
    await save_bus(bus, tmp_path, clock)
    assert await restore.active_doubts(bus) is None
    again = sent_at(at(clock, 60), "gui-lai")
    clock.advance(HOUR_S)
    async with restored_bus(tmp_path, clock) as new:
        clock.advance(HOUR_S)
        later = at(clock)
        correction, back = sent_at(later, revision=2), withdrawn(time=later)
        ageless, fresh = sent_at(None, "khong-noi-tuoi"), sent_at(later, "tin-moi")
        for event in (again, ageless, fresh, correction, back):
            await handled(new, clock, event)
        assert await doubted(new, "gui-lai") == await doubted(new, "khong-noi-tuoi") == [True]
        assert await doubted(new, "tin-moi") == [False]
        assert await doubted(new) == [True, False, False]


@pytest.mark.parametrize("bucket", ["publications", "events"])
async def test_what_can_not_be_read_is_not_certainly_new(bus, tmp_path, clock, bucket):
    await register_unit(bus)
    await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as new:
        clock.advance(HOUR_S)
        event = sent_at(at(clock))
        await handled(new, clock, event)
        assert await doubted(new) == [False]
        key = f"{ITEM}.1" if bucket == "publications" else event_id(event)
        await new.bucket(bucket).put(key, b"{}")
        assert await doubted(new) == [True]


async def test_an_operator_ends_the_doubt_under_a_running_planner(bus, tmp_path, clock):
    await register_unit(bus)
    await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as new:
        await handled(new, clock, sent_at(None))
        doubts = await restore.active_doubts(new)
        [message] = [m async for m in new.scan("PUBLICATIONS")]
        publication = publications.decode(message.data)
        assert await doubts.may_have_been_published(publication, message.seq)
        assert await restore.end_doubts(new)
        assert not await doubts.may_have_been_published(publication, message.seq)
        assert await restore.active_doubts(new) is None
        assert not await restore.end_doubts(new)


async def test_a_planned_move_ends_no_doubt_that_an_earlier_restore_has_left(bus, tmp_path, clock):
    await register_unit(bus)
    await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as first:
        await backup.save_backup(first, backup_folder(tmp_path / "second"), clock)
        async with NatsServer(tmp_path / "moved") as server, await Bus.connect(server.url) as new:
            await restore.restore_backup(new, opened_backup(tmp_path / "second"), clock, moved=True)
            assert await last_restore(new) == await last_restore(first) is not None


async def test_copies_of_what_is_sent_a_second_time_are_declared(bus, tmp_path, clock):
    """Mailed after the backup, lost, sent again by its unit: a copy, and said to be one."""
    await register_unit(bus)
    await save_bus(bus, tmp_path, clock)
    event = sent_at(at(clock, 60))
    clock.advance(HOUR_S)
    async with restored_bus(tmp_path, clock) as new:
        await handled(new, clock, event)
        pipeline = DeliveryPipeline(new, tmp_path / "slots", StaticReaders(reader_ids(30)))
        pipeline.clock = clock
        pipeline.released.known[ITEM] = [1]
        pipeline.planner.doubts = await restore.active_doubts(new)
        [message] = [m async for m in new.scan("PUBLICATIONS")]
        released = StoredPublication(publication=publications.decode(message.data), seq=message.seq)
        await pipeline.planner.on_publication(released)
        plan = PlanKey(ChannelName.EMAIL, ITEM, 1)
        assert await pipeline.status_counts(plan) == {Status.IN_DOUBT: 30}
        await pipeline.work_plan(plan)
        assert (await pipeline.entry(plan)).possible_copies == 30
