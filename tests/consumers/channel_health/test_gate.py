"""The guard acts on the breaker's rules on a real bus: who may try, who waits, whom it wakes."""

import asyncio

import pytest

from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.gate import RECENT_SUCCESS_S
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import Permit
from contracts.delivery import BatchKey, Lane
from producers.bus import NoReply
from tests.support.watched_gate import (
    DELIVERED,
    DOUBT,
    EMAIL,
    HELD,
    LOST,
    NO_TOKEN,
    UNSENT,
    WatchedGate,
)


def a_batch(number=0):
    return BatchKey(EMAIL, "tin", 1, number)


async def test_a_refused_session_opens_it_unless_others_work_at_this_moment(gate, clock):
    await gate.record_window([DELIVERED])
    assert not await gate.record_refused_session("too many connections")
    assert gate.current.is_closed
    clock.advance(RECENT_SUCCESS_S)
    assert await gate.record_refused_session("no connection")
    assert gate.current.state is BreakerState.OPEN


async def test_lost_connections_open_it_and_one_lost_connection_does_not(gate):
    for _ in range(2):
        await gate.record_window([DOUBT, UNSENT])
    assert gate.current.is_closed
    await gate.record_window([LOST])
    assert (gate.current.state, gate.current.reason) == (BreakerState.OPEN, "421")


async def test_an_operators_matter_opens_it_and_a_quota_of_one_item_does_not(gate):
    for _ in range(9):
        await gate.record_window([HELD])
    assert gate.current.is_closed
    for _ in range(8):
        await gate.record_window([NO_TOKEN])
    assert gate.current.state is BreakerState.OPEN


@pytest.mark.promise("8.3")
async def test_of_two_batches_of_one_worker_only_one_tries(gate, clock):
    await gate.record_refused_session("away")
    clock.advance(5)
    permits = [Permit(Lane.URGENT), Permit(Lane.URGENT)]
    assert sorted(await asyncio.gather(*map(gate.may_proceed, permits))) == [False, True]


async def test_a_lower_lane_leaves_the_first_try_to_a_higher_one(gate, clock):
    await gate.record_refused_session("away")
    clock.advance(5)
    assert not await gate.may_proceed(Permit(Lane.BULK))
    assert not await gate.may_proceed(Permit(Lane.NORMAL))
    assert await gate.may_proceed(Permit(Lane.URGENT))


async def test_nobody_tries_during_a_pause(gate, clock):
    await gate.record_refused_session("away")
    clock.advance(500)
    gate.paused = True
    assert not await gate.may_proceed(Permit(Lane.URGENT))
    assert gate.current.state is BreakerState.OPEN


async def test_scouts_come_for_the_next_try_and_the_others_ever_later(gate, clock):
    await gate.record_refused_session("away")
    assert gate.wait_s(a_batch(0), Lane.URGENT) == 5
    assert gate.wait_s(a_batch(1), Lane.BULK) == 5 + Lane.BULK.rank
    others = [gate.wait_s(a_batch(number), Lane.URGENT) for number in range(2, 102)]
    assert 15 <= min(others) < max(others) <= 30
    assert len(set(others)) > 50, "spread"
    clock.advance(3600)
    gate.candidates[Lane.URGENT] = gate.candidates[Lane.URGENT]._replace(due_at=clock() + 9)
    others = [gate.wait_s(a_batch(number), Lane.URGENT) for number in range(2, 102)]
    assert 900 <= min(others) < max(others) <= 1800


async def test_whoever_comes_when_the_scout_is_expected_takes_its_place(gate, clock):
    """Of several processes the queue may give the scout to another one."""
    await gate.record_refused_session("away")
    gate.wait_s(a_batch(0), Lane.URGENT)
    clock.advance(4.5)
    assert gate.wait_s(a_batch(1), Lane.URGENT) == pytest.approx(0.5)
    assert gate.wait_s(a_batch(0), Lane.URGENT) == pytest.approx(0.5), "both, near the end"


async def test_a_recovery_or_a_resume_wakes_the_scouts_most_urgent_first(gate, clock):
    await gate.record_refused_session("away")
    for number, lane in enumerate((Lane.BULK, Lane.URGENT, Lane.NORMAL)):
        gate.wait_s(a_batch(number), lane)
    clock.advance(5)
    permit = Permit(Lane.URGENT)
    with gate.probe_scope(permit):
        assert await gate.may_proceed(permit)
        await gate.record_window([DELIVERED])
    assert gate.current.is_closed
    assert gate.woken == [(1, Lane.URGENT), (2, Lane.NORMAL), (0, Lane.BULK)]
    gate.woken.clear()
    gate.paused = True
    await gate.refresh(gate.current)
    gate.wait_s(a_batch(4), Lane.NORMAL)
    gate.paused = False
    await gate.refresh(gate.current)
    assert gate.woken == [(4, Lane.NORMAL)]


async def test_a_probe_without_an_answer_makes_room(gate, clock):
    await gate.record_refused_session("away")
    clock.advance(5)
    permit = Permit(Lane.URGENT)
    with pytest.raises(RetryLater), gate.probe_scope(permit):
        assert await gate.may_proceed(permit)
        raise RetryLater(1, "owned by another worker")
    await gate.refresh(gate.current)
    assert (gate.current.state, gate.current.failures) == (BreakerState.OPEN, 1)
    assert await gate.may_proceed(Permit(Lane.URGENT)), "the next one, at once"


async def test_a_probe_that_a_restart_cut_short_is_given_up_at_the_start(bus, gate, clock):
    await gate.record_refused_session("away")
    clock.advance(5)
    assert await gate.may_proceed(Permit(Lane.URGENT))
    heir = WatchedGate(bus, clock)
    await heir.refresh(gate.current)
    assert heir.current.state is BreakerState.OPEN
    assert await heir.may_proceed(Permit(Lane.URGENT))


async def test_a_probe_that_began_although_the_answer_was_lost_makes_room(gate, clock, monkeypatch):
    await gate.record_refused_session("away")
    clock.advance(5)
    change = gate.breaker_store.update

    async def unheard(move):
        await change(move)
        raise NoReply("no answer")

    monkeypatch.setattr(gate.breaker_store, "update", unheard)
    assert not await gate.may_proceed(Permit(Lane.URGENT))
    monkeypatch.setattr(gate.breaker_store, "update", change)
    stands = await change(lambda one: one)
    assert stands.state is BreakerState.HALF_OPEN
    await gate.refresh(stands)
    assert await gate.may_proceed(Permit(Lane.URGENT)), "at once, and not when the lost one lapses"


async def test_a_silent_bus_changes_nothing(gate, monkeypatch):
    async def silent(_move):
        raise NoReply("no answer")

    monkeypatch.setattr(gate.breaker_store, "update", silent)
    assert not await gate.record_refused_session("away")
    assert gate.current.is_closed
