"""After a restore: what may have gone out before is declared, what is certainly new is not."""

from datetime import UTC, datetime

import pytest

from consumers import backup, restore
from consumers.dispatch import Released
from consumers.intake import Intake
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey, Status
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.server import NatsServer
from tests.arrivals import ITEM, UNIT, event_id, published, submitted, unit_is, withdrawn
from tests.delivery_house import House
from tests.fakes import People, people
from tests.restored import CLERK, clock, restored, saved

__all__ = ["clock"]

HOUR_S = 3600.0


def at(clock, after_s: float = 0.0) -> datetime:
    return datetime.fromtimestamp(clock() + after_s, UTC)


def sent_at(moment: datetime | None, item: str = ITEM, **changes):
    return submitted(item, **changes).model_copy(update={"time": moment})


async def handled(bus, clock, *events) -> Intake:
    intake = Intake(bus, DEFAULT, clock)
    for event in events:
        await intake.handle(event, UNIT)
    return intake


async def doubted(bus, item: str = ITEM) -> list[bool]:
    """Of each of the item's publications, oldest first."""
    doubts = await restore.doubtful(bus)
    messages = [m async for m in bus.scan("PUBLICATIONS", f"publication.*.{item}")]
    return [await doubts.may_be_out(publications.decode(one.data), one.seq) for one in messages]


async def test_a_draft_that_is_approved_a_second_time_is_in_doubt(bus, tmp_path, clock):
    """It was approved and mailed after the backup, and nobody here can know."""
    await unit_is(bus, release="desk")
    await handled(bus, clock, sent_at(at(clock)))
    await saved(bus, tmp_path, clock)
    clock.forward(HOUR_S)
    async with restored(tmp_path, clock) as new:
        clock.forward(HOUR_S)
        desk = Intake(new, DEFAULT, clock).desk
        await desk.approve(ITEM, CLERK)
        assert await doubted(new) == [True]


async def test_an_event_that_is_taken_in_a_second_time_is_in_doubt(
    bus, tmp_path, clock, monkeypatch
):
    """It came and was published while the backup went on: CONTENT has it, PUBLICATIONS not."""
    await unit_is(bus)
    real, event = Bus.save, sent_at(at(clock))

    async def meanwhile(bus, name, take):
        if name == subjects.DEAD.name:
            await handled(bus, clock, event)
        return await real(bus, name, take)

    with monkeypatch.context() as patched:
        patched.setattr(Bus, "save", meanwhile)
        await saved(bus, tmp_path, clock)
    clock.forward(HOUR_S)
    async with restored(tmp_path, clock) as new:
        clock.forward(HOUR_S)
        assert await published(new) == []
        await handled(new, clock, event)
        assert await doubted(new) == [True]


async def test_an_event_that_its_unit_sends_again_is_in_doubt(bus, tmp_path, clock):
    """Nothing of it is in the backup; it says itself how old it is."""
    await unit_is(bus)
    await saved(bus, tmp_path, clock)
    event = sent_at(at(clock, 60))
    clock.forward(HOUR_S)
    async with restored(tmp_path, clock) as new:
        clock.forward(HOUR_S)
        await handled(new, clock, event)
        assert await doubted(new) == [True]


async def test_an_event_that_does_not_say_how_old_it_is_counts_as_older(bus, tmp_path, clock):
    await unit_is(bus)
    await saved(bus, tmp_path, clock)
    async with restored(tmp_path, clock) as new:
        clock.forward(HOUR_S)
        await handled(new, clock, sent_at(None))
        assert await doubted(new) == [True]


async def test_an_event_that_was_accepted_before_counts_as_older_whatever_it_says(
    bus, tmp_path, clock
):
    await unit_is(bus, release="desk")
    await handled(bus, clock, sent_at(at(clock, 9 * HOUR_S)))
    await saved(bus, tmp_path, clock)
    async with restored(tmp_path, clock) as new:
        clock.forward(HOUR_S)
        await Intake(new, DEFAULT, clock).desk.approve(ITEM, CLERK)
        assert await doubted(new) == [True]


async def test_what_came_to_be_after_the_restore_is_not_in_doubt(bus, tmp_path, clock):
    await unit_is(bus)
    await handled(bus, clock, sent_at(at(clock)))
    await saved(bus, tmp_path, clock)
    async with restored(tmp_path, clock) as new:
        clock.forward(HOUR_S)
        later = at(clock)
        correction = sent_at(later, revision=2)
        back = withdrawn(time=later)
        await handled(new, clock, sent_at(later, "tin-moi"), correction, back)
        assert await doubted(new, "tin-moi") == [False]
        assert await doubted(new) == [True, False, False]


@pytest.mark.parametrize("bucket", ["publications", "events"])
async def test_what_can_not_be_read_is_not_certainly_new(bus, tmp_path, clock, bucket):
    await unit_is(bus)
    await saved(bus, tmp_path, clock)
    async with restored(tmp_path, clock) as new:
        clock.forward(HOUR_S)
        event = sent_at(at(clock))
        await handled(new, clock, event)
        assert await doubted(new) == [False]
        key = f"{ITEM}.1" if bucket == "publications" else event_id(event)
        await new.bucket(bucket).put(key, b"{}")
        assert await doubted(new) == [True]


async def test_an_operator_ends_the_doubt_under_a_running_planner(bus, tmp_path, clock):
    await unit_is(bus)
    await saved(bus, tmp_path, clock)
    async with restored(tmp_path, clock) as new:
        await handled(new, clock, sent_at(None))
        doubts = await restore.doubtful(new)
        [message] = [m async for m in new.scan("PUBLICATIONS")]
        publication = publications.decode(message.data)
        assert await doubts.may_be_out(publication, message.seq)
        assert await restore.end_doubt(new)
        assert not await doubts.may_be_out(publication, message.seq)
        assert await restore.doubtful(new) is None
        assert not await restore.end_doubt(new)


async def test_without_a_restore_nobody_is_asked(bus):
    assert await restore.doubtful(bus) is None


async def test_after_a_planned_move_nothing_is_in_doubt(bus, tmp_path, clock):
    await saved(bus, tmp_path, clock)
    async with restored(tmp_path, clock, moved=True) as new:
        assert await restore.doubtful(new) is None


async def test_a_planned_move_ends_no_doubt_that_an_earlier_restore_has_left(bus, tmp_path, clock):
    await unit_is(bus)
    await saved(bus, tmp_path, clock)
    async with restored(tmp_path, clock) as first:
        await backup.save(first, tmp_path / "second", clock)
        async with NatsServer(tmp_path / "moved") as server, await Bus.connect(server.url) as new:
            await restore.restore(new, tmp_path / "second", clock, moved=True)
            assert await restore.last(new) == await restore.last(first) is not None


async def test_copies_of_what_is_sent_a_second_time_are_declared(bus, tmp_path, clock):
    """Mailed after the backup, lost, sent again by its unit: a copy, and said to be one."""
    await unit_is(bus)
    await saved(bus, tmp_path, clock)
    event = sent_at(at(clock, 60))
    clock.forward(HOUR_S)
    async with restored(tmp_path, clock) as new:
        await handled(new, clock, event)
        house = House(new, tmp_path / "slots", People(people(30)))
        house.clock = clock
        house.released.known[ITEM] = [1]
        house.planner.doubtful = await restore.doubtful(new)
        [message] = [m async for m in new.scan("PUBLICATIONS")]
        released = Released(publication=publications.decode(message.data), seq=message.seq)
        await house.planner.on_publication(released)
        plan = PlanKey(ChannelName.EMAIL, ITEM, 1)
        assert await house.counts(plan) == {Status.IN_DOUBT: 30}
        await house.work_all(plan)
        assert (await house.entry(plan)).copies == 30
