"""The guard acts on the breaker's rules on a real bus: who may try, who waits, whom it wakes."""

import asyncio

import pytest

from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.gate import RECENT_SUCCESS_S, ChannelGate
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import Permit
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import NoReply
from tests.support.window_outcomes import DELIVERED, DOUBT, HELD, LOST, NO_TOKEN, UNSENT

EMAIL = ChannelName.EMAIL


class GateWatch:
    """A guard, and whom it woke."""

    def __init__(self, bus, clock, who="a"):
        self.woken, self.pause = [], False
        self.guard = ChannelGate(
            BreakerStore(bus, EMAIL, clock), who, self.wake, lambda: self.pause, clock
        )

    async def wake(self, batch, lane):
        self.woken.append((batch.number, lane))


@pytest.fixture
def gate_watch(bus, clock):
    return GateWatch(bus, clock)


def a_batch(number=0):
    return BatchKey(EMAIL, "tin", 1, number)


async def test_a_refused_session_opens_it_unless_others_work_at_this_moment(gate_watch, clock):
    await gate_watch.guard.record_window([DELIVERED])
    assert not await gate_watch.guard.record_refused_session("too many connections")
    assert gate_watch.guard.current.is_closed
    clock.advance(RECENT_SUCCESS_S)
    assert await gate_watch.guard.record_refused_session("no connection")
    assert gate_watch.guard.current.state is BreakerState.OPEN


async def test_lost_connections_open_it_and_one_lost_connection_does_not(gate_watch):
    for _ in range(2):
        await gate_watch.guard.record_window([DOUBT, UNSENT])
    assert gate_watch.guard.current.is_closed
    await gate_watch.guard.record_window([LOST])
    assert (gate_watch.guard.current.state, gate_watch.guard.current.reason) == (
        BreakerState.OPEN,
        "421",
    )


async def test_an_operators_matter_opens_it_and_a_quota_of_one_item_does_not(gate_watch):
    for _ in range(9):
        await gate_watch.guard.record_window([HELD])
    assert gate_watch.guard.current.is_closed
    for _ in range(8):
        await gate_watch.guard.record_window([NO_TOKEN])
    assert gate_watch.guard.current.state is BreakerState.OPEN


@pytest.mark.promise("8.3")
async def test_of_two_batches_of_one_worker_only_one_tries(gate_watch, clock):
    await gate_watch.guard.record_refused_session("away")
    clock.advance(5)
    permits = [Permit(Lane.URGENT), Permit(Lane.URGENT)]
    assert sorted(await asyncio.gather(*map(gate_watch.guard.may_proceed, permits))) == [
        False,
        True,
    ]


async def test_a_lower_lane_leaves_the_first_try_to_a_higher_one(gate_watch, clock):
    await gate_watch.guard.record_refused_session("away")
    clock.advance(5)
    assert not await gate_watch.guard.may_proceed(Permit(Lane.BULK))
    assert not await gate_watch.guard.may_proceed(Permit(Lane.NORMAL))
    assert await gate_watch.guard.may_proceed(Permit(Lane.URGENT))


async def test_nobody_tries_during_a_pause(gate_watch, clock):
    await gate_watch.guard.record_refused_session("away")
    clock.advance(500)
    gate_watch.pause = True
    assert not await gate_watch.guard.may_proceed(Permit(Lane.URGENT))
    assert gate_watch.guard.current.state is BreakerState.OPEN


async def test_scouts_come_for_the_next_try_and_the_others_ever_later(gate_watch, clock):
    await gate_watch.guard.record_refused_session("away")
    assert gate_watch.guard.wait_s(a_batch(0), Lane.URGENT) == 5
    assert gate_watch.guard.wait_s(a_batch(1), Lane.BULK) == 5 + Lane.BULK.rank
    others = [gate_watch.guard.wait_s(a_batch(number), Lane.URGENT) for number in range(2, 102)]
    assert 15 <= min(others) < max(others) <= 30
    assert len(set(others)) > 50, "spread"
    clock.advance(3600)
    gate_watch.guard.candidates[Lane.URGENT] = gate_watch.guard.candidates[Lane.URGENT]._replace(
        due_at=clock() + 9
    )
    others = [gate_watch.guard.wait_s(a_batch(number), Lane.URGENT) for number in range(2, 102)]
    assert 900 <= min(others) < max(others) <= 1800


async def test_whoever_comes_when_the_scout_is_expected_takes_its_place(gate_watch, clock):
    """Of several processes the queue may give the scout to another one."""
    await gate_watch.guard.record_refused_session("away")
    gate_watch.guard.wait_s(a_batch(0), Lane.URGENT)
    clock.advance(4.5)
    assert gate_watch.guard.wait_s(a_batch(1), Lane.URGENT) == pytest.approx(0.5)
    assert gate_watch.guard.wait_s(a_batch(0), Lane.URGENT) == pytest.approx(0.5), (
        "both, near the end"
    )


async def test_a_recovery_or_a_resume_wakes_the_scouts_most_urgent_first(gate_watch, clock):
    await gate_watch.guard.record_refused_session("away")
    for number, lane in enumerate((Lane.BULK, Lane.URGENT, Lane.NORMAL)):
        gate_watch.guard.wait_s(a_batch(number), lane)
    clock.advance(5)
    permit = Permit(Lane.URGENT)
    with gate_watch.guard.probe_scope(permit):
        assert await gate_watch.guard.may_proceed(permit)
        await gate_watch.guard.record_window([DELIVERED])
    assert gate_watch.guard.current.is_closed
    assert gate_watch.woken == [(1, Lane.URGENT), (2, Lane.NORMAL), (0, Lane.BULK)]
    gate_watch.woken.clear()
    gate_watch.pause = True
    await gate_watch.guard.refresh(gate_watch.guard.current)
    gate_watch.guard.wait_s(a_batch(4), Lane.NORMAL)
    gate_watch.pause = False
    await gate_watch.guard.refresh(gate_watch.guard.current)
    assert gate_watch.woken == [(4, Lane.NORMAL)]


async def test_a_probe_without_an_answer_makes_room(gate_watch, clock):
    await gate_watch.guard.record_refused_session("away")
    clock.advance(5)
    permit = Permit(Lane.URGENT)
    with pytest.raises(RetryLater), gate_watch.guard.probe_scope(permit):
        assert await gate_watch.guard.may_proceed(permit)
        raise RetryLater(1, "owned by another worker")
    await gate_watch.guard.refresh(gate_watch.guard.current)
    assert (gate_watch.guard.current.state, gate_watch.guard.current.failures) == (
        BreakerState.OPEN,
        1,
    )
    assert await gate_watch.guard.may_proceed(Permit(Lane.URGENT)), "the next one, at once"


async def test_a_probe_that_a_restart_cut_short_is_given_up_at_the_start(bus, gate_watch, clock):
    await gate_watch.guard.record_refused_session("away")
    clock.advance(5)
    assert await gate_watch.guard.may_proceed(Permit(Lane.URGENT))
    heir = GateWatch(bus, clock)
    await heir.guard.refresh(gate_watch.guard.current)
    assert heir.guard.current.state is BreakerState.OPEN
    assert await heir.guard.may_proceed(Permit(Lane.URGENT))


async def test_a_probe_that_began_although_the_answer_was_lost_makes_room(
    gate_watch, clock, monkeypatch
):
    await gate_watch.guard.record_refused_session("away")
    clock.advance(5)
    change = gate_watch.guard.breaker_store.update

    async def unheard(move):
        await change(move)
        raise NoReply("no answer")

    monkeypatch.setattr(gate_watch.guard.breaker_store, "update", unheard)
    assert not await gate_watch.guard.may_proceed(Permit(Lane.URGENT))
    monkeypatch.setattr(gate_watch.guard.breaker_store, "update", change)
    stands = await change(lambda one: one)
    assert stands.state is BreakerState.HALF_OPEN
    await gate_watch.guard.refresh(stands)
    assert await gate_watch.guard.may_proceed(Permit(Lane.URGENT)), (
        "at once, and not when the lost one lapses"
    )


async def test_a_silent_bus_changes_nothing(gate_watch, monkeypatch):
    async def silent(_move):
        raise NoReply("no answer")

    monkeypatch.setattr(gate_watch.guard.breaker_store, "update", silent)
    assert not await gate_watch.guard.record_refused_session("away")
    assert gate_watch.guard.current.is_closed
