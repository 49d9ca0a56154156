"""The sweeper wakes batches whose wake-up was lost; those, no others, and it never writes."""

import asyncio
from dataclasses import replace

import pytest
import structlog

from consumers.channel_health import breaker, pauses
from consumers.channel_health.breaker import PROBE_WAITS_S
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.pauses import ChannelMonitor
from consumers.ledger import codec, watermark
from consumers.ledger.entry import LedgerEntry, planned_entry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, WakeUp
from consumers.operations.sweep import GRACE_S, Sweeper
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import NoReply
from tests.support.waiting import until

EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
LONG_AGO_S = 1000.0


@pytest.fixture
def sweeper(bus, clock):
    return Sweeper(bus, Ledger(bus), Waker(bus), ChannelMonitor(bus), clock, interval_s=0)


def a_batch(number: int = 0, channel: ChannelName = EMAIL) -> BatchKey:
    return BatchKey(channel, "tin-moi", 1, number)


def forgotten(clock, lane: Lane = Lane.NORMAL, **changes) -> LedgerEntry:
    """A batch that no worker has touched for a long time."""
    return replace(planned_entry(2, lane, clock() - LONG_AGO_S), **changes)


async def keep(sweeper: Sweeper, batch: BatchKey, entry: LedgerEntry) -> None:
    await sweeper.ledger.bucket.put(f"state.{batch}", codec.encode_state(entry))


async def wake_ups(bus) -> list[tuple[str, BatchKey]]:
    """Subject and batch of everything in the queue."""
    found = bus.scan(subjects.DELIVER.name)
    return [(one.subject, WakeUp.model_validate_json(one.data).key) async for one in found]


async def lose_all(bus) -> None:
    await bus.connection.api_request("STREAM.PURGE.DELIVER")


@pytest.mark.parametrize("lane", list(Lane))
@pytest.mark.parametrize("channel", list(ChannelName))
async def test_a_forgotten_batch_is_woken_in_its_own_lane(bus, clock, sweeper, channel, lane):
    await keep(sweeper, a_batch(0, channel), forgotten(clock, lane))
    assert await sweeper.sweep() == 1
    assert await wake_ups(bus) == [(f"deliver.{channel}.{lane}", a_batch(0, channel))]


@pytest.mark.parametrize(
    ("changes", "stuck"),
    [
        ({}, True),
        ({"due": -GRACE_S - 1}, True),
        ({"due": -GRACE_S + 1}, False),
        ({"due": 3600.0}, False),
        ({"owner": "dead#1#1", "lease_until": -GRACE_S - 1}, True),
        ({"owner": "slow#1#1", "lease_until": -GRACE_S + 1}, False),
        ({"owner": "busy#1#1", "lease_until": 60.0}, False),
        ({"rows": b"sS", "owner": "dead#1#1"}, True),
        ({"rows": b"Pr"}, True),
        ({"rows": b"dd"}, True),
        ({"rows": b"dd", "closed_at": -500.0}, False),
        ({"halt": "v2", "rows": b"sv", "owner": "dead#1#1"}, True),
    ],
    ids=str,
)
async def test_a_batch_is_stuck_when_due_and_lease_are_past(bus, clock, sweeper, changes, stuck):
    """Times are seconds from now."""
    shifted = {
        name: clock() + value if isinstance(value, float) else value
        for name, value in changes.items()
    }
    await keep(sweeper, a_batch(), forgotten(clock, **shifted))
    assert await sweeper.sweep() == stuck
    assert len(await wake_ups(bus)) == stuck


async def test_a_batch_with_a_wake_up_is_not_woken_until_the_grace_is_over(bus, clock, sweeper):
    await keep(sweeper, a_batch(), forgotten(clock))
    assert await sweeper.sweep() == 1
    for waited_s in (0, GRACE_S / 2, GRACE_S / 2 - 1):
        await lose_all(bus)
        clock.advance(waited_s)
        assert await sweeper.sweep() == 0
    clock.advance(2)
    assert await sweeper.sweep() == 1


async def test_a_lane_with_waiting_wake_ups_is_left_alone_others_are_not(bus, clock, sweeper):
    await sweeper.waker.wake(a_batch(7), Lane.BULK)
    await keep(sweeper, a_batch(0), forgotten(clock, Lane.BULK))
    await keep(sweeper, a_batch(1), forgotten(clock, Lane.NORMAL))
    await keep(sweeper, a_batch(2, ZALO), forgotten(clock, Lane.BULK))
    assert await sweeper.sweep() == 2
    assert {batch for _, batch in await wake_ups(bus)} == {a_batch(7), a_batch(1), a_batch(2, ZALO)}
    await lose_all(bus)
    assert await sweeper.sweep() == 1, "the queue is empty now"
    assert [batch for _, batch in await wake_ups(bus)] == [a_batch(0)]


async def test_everything_that_is_stuck_is_found_in_one_sweep(bus, clock, sweeper):
    """Its own wake-ups do not make the sweeper think that a lane is busy."""
    count = 300
    for number in range(count):
        await keep(sweeper, a_batch(number), forgotten(clock))
    assert await sweeper.sweep() == count
    assert {batch.number for _, batch in await wake_ups(bus)} == set(range(count))


async def test_a_sweepers_wake_up_is_never_taken_for_a_repeat(bus, clock, sweeper):
    await sweeper.waker.wake(a_batch(), Lane.NORMAL, 0)
    await lose_all(bus)
    await keep(sweeper, a_batch(), forgotten(clock))
    assert await sweeper.sweep() == 1
    assert len(await wake_ups(bus)) == 1
    message = await bus.last_message("DELIVER", "deliver.email.normal")
    assert "Nats-Msg-Id" not in message.headers


async def test_sweeping_never_writes_to_the_ledger(bus, clock, sweeper):
    for number, entry in enumerate(
        [
            forgotten(clock),
            forgotten(clock, rows=b"ss", owner="x#1#1"),
            forgotten(clock, closed_at=1),
        ]
    ):
        await keep(sweeper, a_batch(number), entry)
    before = await sweeper.ledger.bucket.last_seq()
    await sweeper.sweep()
    clock.advance(10 * GRACE_S)
    await lose_all(bus)
    await sweeper.sweep()
    assert await sweeper.ledger.bucket.last_seq() == before


async def test_closed_batches_are_not_read_again_and_again(bus, clock, sweeper):
    for number in range(5):
        await keep(sweeper, a_batch(number), forgotten(clock, closed_at=clock() - LONG_AGO_S))
    await keep(sweeper, a_batch(9), forgotten(clock, due=clock()))
    looked: list[str] = []
    look = sweeper.wake_if_stuck

    async def watched(key, value):
        looked.append(key)
        return await look(key, value)

    sweeper.wake_if_stuck = watched
    for _ in range(3):
        looked.clear()
        await sweeper.sweep()
    assert looked == [f"state.{a_batch(9)}"]
    assert await watermark.read_watermark(bus) == 6
    sweeper.sweep_count = 0
    await sweeper.sweep()
    assert len(looked) == 1 + 6, "now and then the whole ledger"


async def test_a_paused_channel_is_not_flooded_and_is_woken_when_it_goes_on(bus, clock, sweeper):
    """Although a batch became due a moment ago, and its wake-ups may still be in the queue."""
    await keep(sweeper, a_batch(0), forgotten(clock))
    await keep(sweeper, a_batch(1), forgotten(clock, due=clock()))
    await keep(sweeper, a_batch(2), forgotten(clock, due=clock() + 60))
    await keep(sweeper, a_batch(3), forgotten(clock, owner="busy#1#1", lease_until=clock() + 60))
    await keep(sweeper, a_batch(4, ZALO), forgotten(clock))
    await keep(sweeper, a_batch(5, ZALO), forgotten(clock, due=clock()))
    await pauses.pause(bus, EMAIL)
    await sweeper.channel_monitor.refresh()
    assert await sweeper.sweep() == 1
    await pauses.resume(bus, EMAIL)
    await sweeper.channel_monitor.refresh()
    assert await sweeper.sweep() == 2
    woken = [batch for _, batch in await wake_ups(bus)]
    assert woken == [a_batch(4, ZALO), a_batch(0), a_batch(1)]
    assert await sweeper.sweep() == 0, "once"


async def test_a_broken_channel_whose_wake_ups_were_lost_is_tried_by_one_batch(bus, clock, sweeper):
    """A probe begins with a wake-up, and a broken channel gets no others."""
    for number in range(3):
        await keep(sweeper, a_batch(number), forgotten(clock))
    circuit = BreakerStore(bus, EMAIL, clock)
    await circuit.update(lambda one: breaker.fail(one, "some.email.0", "away", clock()))
    assert await sweeper.sweep() == 0, "whoever works there tries it soon"
    clock.advance(PROBE_WAITS_S[0] + GRACE_S + 1)
    assert await sweeper.sweep() == 1
    assert await sweeper.sweep() == 0, "its wake-up waits"


async def test_a_channel_that_goes_on_does_not_wait_for_the_next_minute(bus, clock, sweeper):
    sweeper.interval_s = 3600.0
    await keep(sweeper, a_batch(), forgotten(clock, due=clock()))
    await pauses.pause(bus, EMAIL)
    await sweeper.channel_monitor.refresh()
    running = asyncio.create_task(sweeper.run())
    await pauses.resume(bus, EMAIL)
    await sweeper.channel_monitor.refresh()
    async with asyncio.timeout(10):
        while not await wake_ups(bus):
            await asyncio.sleep(0.01)
    running.cancel()


async def test_it_goes_on_when_the_bus_is_away_for_a_while(bus, clock, sweeper):
    await keep(sweeper, a_batch(), forgotten(clock))
    last_seq, answers = sweeper.ledger.bucket.last_seq, [NoReply("no answer")] * 2

    async def silent():
        if answers:
            raise answers.pop()
        return await last_seq()

    sweeper.ledger.bucket.last_seq = silent
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(sweeper.run())
        await until(lambda: "batches_swept" in [one["event"] for one in logs])
        running.cancel()
    assert [batch for _, batch in await wake_ups(bus)] == [a_batch()]
    assert [one["event"] for one in logs].count("bus_trouble") == 2
    assert {"event": "batches_swept", "batches": 1, "log_level": "warning"} in logs


async def sweep_in_vain(sweeper: Sweeper) -> None:
    """A sweep while the bus stores nothing."""

    async def refuse(*_):
        raise NoReply("no space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeper.waker, "wake", refuse)
        with pytest.raises(NoReply):
            await sweeper.sweep()


async def test_a_wake_up_that_the_bus_did_not_take_is_given_by_the_next_sweep(bus, clock, sweeper):
    """Nor does a channel that goes on wait until its batches are stuck."""
    await keep(sweeper, a_batch(0), forgotten(clock))
    await keep(sweeper, a_batch(1), forgotten(clock, due=clock()))
    await pauses.pause(bus, EMAIL)
    await sweeper.channel_monitor.refresh()
    await pauses.resume(bus, EMAIL)
    await sweeper.channel_monitor.refresh()
    await sweep_in_vain(sweeper)
    assert await sweeper.sweep() == 2


async def test_a_full_scan_that_the_bus_cut_short_is_made_by_the_next_sweep(bus, clock, sweeper):
    await sweeper.sweep()
    sweeper.sweep_count, sweeper.scan_start = 60, 1 << 40
    await keep(sweeper, a_batch(), forgotten(clock))
    await sweep_in_vain(sweeper)
    assert await sweeper.sweep() == 1


async def test_a_batch_that_cannot_be_read_is_named_once_and_holds_up_no_other(bus, clock, sweeper):
    bucket = sweeper.ledger.bucket
    await bucket.put(f"state.{a_batch(0)}", b'{"v":1,"r":"dd')
    await bucket.put(f"state.{a_batch(1)}", b'{"v":99}')
    await bucket.put(f"state.{a_batch(2)}", b'{"v":1}')
    await bucket.put("state.strange", codec.encode_state(forgotten(clock)))
    await keep(sweeper, a_batch(3), forgotten(clock))
    with structlog.testing.capture_logs() as logs:
        assert await sweeper.sweep() == 1
        assert await sweeper.sweep() == 0
    assert [batch for _, batch in await wake_ups(bus)] == [a_batch(3)]
    named = [one["key"] for one in logs if one["event"] == "batch_unreadable"]
    assert named == [*(f"state.{a_batch(number)}" for number in range(3)), "state.strange"]
