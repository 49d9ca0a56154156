"""The guard acts on the breaker's rules on a real bus: who may try, who waits, whom it wakes."""

import asyncio

import pytest

from consumers.breaker import State
from consumers.circuit import Circuit
from consumers.guard import FRESH_S, Guard
from consumers.lanes import Pass
from consumers.settle import Later
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Silence
from tests.windows import DELIVERED, DOUBT, HELD, LOST, NO_TOKEN, UNSENT

EMAIL = ChannelName.EMAIL


class Watch:
    """A guard, and whom it woke."""

    def __init__(self, bus, clock, who="a"):
        self.woken, self.pause = [], False
        self.guard = Guard(Circuit(bus, EMAIL, clock), who, self.wake, lambda: self.pause, clock)

    async def wake(self, batch, lane):
        self.woken.append((batch.number, lane))


@pytest.fixture
def watch(bus, clock):
    return Watch(bus, clock)


def a_batch(number=0):
    return BatchKey(EMAIL, "tin", 1, number)


async def test_a_refused_session_opens_it_unless_others_work_at_this_moment(watch, clock):
    await watch.guard.heard([DELIVERED])
    assert not await watch.guard.refused("too many connections")
    assert watch.guard.now.is_closed
    clock.advance(FRESH_S)
    assert await watch.guard.refused("no connection")
    assert watch.guard.now.state is State.OPEN


async def test_lost_connections_open_it_and_one_lost_connection_does_not(watch):
    for _ in range(2):
        await watch.guard.heard([DOUBT, UNSENT])
    assert watch.guard.now.is_closed
    await watch.guard.heard([LOST])
    assert (watch.guard.now.state, watch.guard.now.reason) == (State.OPEN, "421")


async def test_an_operators_matter_opens_it_and_a_quota_of_one_item_does_not(watch):
    for _ in range(9):
        await watch.guard.heard([HELD])
    assert watch.guard.now.is_closed
    for _ in range(8):
        await watch.guard.heard([NO_TOKEN])
    assert watch.guard.now.state is State.OPEN


async def test_of_two_batches_of_one_worker_only_one_tries(watch, clock):
    await watch.guard.refused("away")
    clock.advance(5)
    permits = [Pass(Lane.URGENT), Pass(Lane.URGENT)]
    assert sorted(await asyncio.gather(*map(watch.guard.lets, permits))) == [False, True]


async def test_a_lower_lane_leaves_the_first_try_to_a_higher_one(watch, clock):
    await watch.guard.refused("away")
    clock.advance(5)
    assert not await watch.guard.lets(Pass(Lane.BULK))
    assert not await watch.guard.lets(Pass(Lane.NORMAL))
    assert await watch.guard.lets(Pass(Lane.URGENT))


async def test_nobody_tries_during_a_pause(watch, clock):
    await watch.guard.refused("away")
    clock.advance(500)
    watch.pause = True
    assert not await watch.guard.lets(Pass(Lane.URGENT))
    assert watch.guard.now.state is State.OPEN


async def test_scouts_come_for_the_next_try_and_the_others_ever_later(watch, clock):
    await watch.guard.refused("away")
    assert watch.guard.wait_s(a_batch(0), Lane.URGENT) == 5
    assert watch.guard.wait_s(a_batch(1), Lane.BULK) == 5 + Lane.BULK.rank
    others = [watch.guard.wait_s(a_batch(number), Lane.URGENT) for number in range(2, 102)]
    assert 15 <= min(others) < max(others) <= 30
    assert len(set(others)) > 50, "spread"
    clock.advance(3600)
    watch.guard.scouts[Lane.URGENT] = watch.guard.scouts[Lane.URGENT]._replace(at=clock() + 9)
    others = [watch.guard.wait_s(a_batch(number), Lane.URGENT) for number in range(2, 102)]
    assert 900 <= min(others) < max(others) <= 1800


async def test_whoever_comes_when_the_scout_is_expected_takes_its_place(watch, clock):
    """Of several processes the queue may give the scout to another one."""
    await watch.guard.refused("away")
    watch.guard.wait_s(a_batch(0), Lane.URGENT)
    clock.advance(4.5)
    assert watch.guard.wait_s(a_batch(1), Lane.URGENT) == pytest.approx(0.5)
    assert watch.guard.wait_s(a_batch(0), Lane.URGENT) == pytest.approx(0.5), "both, near the end"


async def test_a_recovery_or_a_resume_wakes_the_scouts_most_urgent_first(watch, clock):
    await watch.guard.refused("away")
    for number, lane in enumerate((Lane.BULK, Lane.URGENT, Lane.NORMAL)):
        watch.guard.wait_s(a_batch(number), lane)
    clock.advance(5)
    permit = Pass(Lane.URGENT)
    async with watch.guard.judged(permit):
        assert await watch.guard.lets(permit)
        await watch.guard.heard([DELIVERED])
    assert watch.guard.now.is_closed
    assert watch.woken == [(1, Lane.URGENT), (2, Lane.NORMAL), (0, Lane.BULK)]
    watch.woken.clear()
    watch.pause = True
    await watch.guard.attend(watch.guard.now)
    watch.guard.wait_s(a_batch(4), Lane.NORMAL)
    watch.pause = False
    await watch.guard.attend(watch.guard.now)
    assert watch.woken == [(4, Lane.NORMAL)]


async def test_a_probe_without_an_answer_makes_room(watch, clock):
    await watch.guard.refused("away")
    clock.advance(5)
    permit = Pass(Lane.URGENT)
    with pytest.raises(Later):
        async with watch.guard.judged(permit):
            assert await watch.guard.lets(permit)
            raise Later(1, "owned by another worker")
    assert (watch.guard.now.state, watch.guard.now.failures) == (State.OPEN, 1)
    assert await watch.guard.lets(Pass(Lane.URGENT)), "the next one, at once"


async def test_a_probe_that_a_restart_cut_short_is_given_up_at_the_start(bus, watch, clock):
    await watch.guard.refused("away")
    clock.advance(5)
    assert await watch.guard.lets(Pass(Lane.URGENT))
    heir = Watch(bus, clock)
    await heir.guard.attend(watch.guard.now)
    assert heir.guard.now.state is State.OPEN
    assert await heir.guard.lets(Pass(Lane.URGENT))


async def test_a_probe_that_began_although_the_answer_was_lost_makes_room(
    watch, clock, monkeypatch
):
    await watch.guard.refused("away")
    clock.advance(5)
    change = watch.guard.circuit.change

    async def unheard(move):
        await change(move)
        raise Silence("no answer")

    monkeypatch.setattr(watch.guard.circuit, "change", unheard)
    assert not await watch.guard.lets(Pass(Lane.URGENT))
    monkeypatch.setattr(watch.guard.circuit, "change", change)
    stands = await change(lambda one: one)
    assert stands.state is State.HALF_OPEN
    await watch.guard.attend(stands)
    assert await watch.guard.lets(Pass(Lane.URGENT)), "at once, and not when the lost one lapses"


async def test_a_silent_bus_changes_nothing(watch, monkeypatch):
    async def silent(_move):
        raise Silence("no answer")

    monkeypatch.setattr(watch.guard.circuit, "change", silent)
    assert not await watch.guard.refused("away")
    assert watch.guard.now.is_closed
