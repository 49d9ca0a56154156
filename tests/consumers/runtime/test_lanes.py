"""Lanes share connections: who gets a place, who steps aside, and that no place is ever lost."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import LaneSemaphore, Permit
from contracts.delivery import Lane

URGENT, NORMAL, BULK = Lane.URGENT, Lane.NORMAL, Lane.BULK


class LaneHolder:
    """Enters, stays until told to leave."""

    def __init__(self, gate: LaneSemaphore, lane: Lane) -> None:
        self.gate, self.lane = gate, lane
        self.permit: Permit | None = None
        self.told = asyncio.Event()
        self.task = asyncio.create_task(self.stay())

    async def stay(self) -> None:
        async with self.gate.acquire(self.lane) as permit:
            self.permit = permit
            await self.told.wait()

    @property
    def inside(self) -> bool:
        return self.permit is not None and not self.task.done()

    async def leave(self) -> None:
        self.told.set()
        await settled()


async def settled() -> None:
    """Let every task run as far as it can; nothing here waits for anything but its neighbours."""
    for _ in range(6):
        await asyncio.sleep(0)


async def guests(gate: LaneSemaphore, *lanes: Lane) -> list[LaneHolder]:
    """They come one after the other."""
    come = []
    for lane in lanes:
        come.append(LaneHolder(gate, lane))
        await settled()
    return come


async def test_a_free_place_is_taken_at_once():
    gate = LaneSemaphore(2)
    async with gate.acquire(BULK) as permit:
        assert gate.running == [permit]
        assert (permit.lane, permit.yield_requested) == (BULK, False)
    assert gate.running == []


async def test_the_most_urgent_waiter_comes_next_and_equals_in_order_of_arrival():
    gate = LaneSemaphore(1, reserved=0)
    first, *waiting = await guests(gate, NORMAL, BULK, NORMAL, URGENT, NORMAL, BULK)
    order = []
    for current in range(len(waiting)):
        await (first if not order else waiting[order[-1]]).leave()
        order.append(next(n for n, one in enumerate(waiting) if one.inside))
        assert len(gate.running) == 1, current
    assert order == [2, 1, 3, 0, 4]


async def test_the_reserved_place_is_for_the_urgent_lane_alone():
    gate = LaneSemaphore(2, reserved=1)
    a, b, waiter = await guests(gate, NORMAL, NORMAL, NORMAL)
    assert (a.inside, b.inside, waiter.inside) == (True, True, False)
    [urgent] = await guests(gate, URGENT)
    assert urgent.inside, "although somebody of a lower lane waits"
    await urgent.leave()
    assert not waiter.inside, "the place that was left is the reserved one"
    await a.leave()
    assert waiter.inside
    _, late = await guests(gate, URGENT, URGENT)
    assert not late.inside, "even the reserved place is taken"


@pytest.mark.parametrize(
    ("running", "waiting", "wanted"),
    [
        ([NORMAL, BULK], [URGENT], [BULK]),
        ([NORMAL, BULK], [URGENT, URGENT], [NORMAL, BULK]),
        ([BULK, BULK, BULK], [NORMAL], [BULK]),
        ([BULK, BULK, BULK], [NORMAL, URGENT], [BULK, BULK]),
        ([NORMAL, BULK], [NORMAL], [BULK]),
        ([NORMAL, NORMAL], [NORMAL], []),
        ([NORMAL, BULK], [BULK], []),
        ([URGENT, URGENT], [URGENT], []),
        ([BULK], [URGENT, URGENT, URGENT], [BULK]),
    ],
)
async def test_each_waiter_asks_one_batch_of_the_lowest_lane_below_it(running, waiting, wanted):
    gate = LaneSemaphore(len(running), reserved=0)
    inside = await guests(gate, *running)
    await guests(gate, *waiting)
    asked = [one.lane for one in inside if one.permit.yield_requested]
    assert sorted(asked, key=lambda lane: lane.rank) == wanted


async def test_who_steps_aside_and_comes_back_queues_behind_the_more_urgent_one():
    gate = LaneSemaphore(1, reserved=0)
    bulk, urgent = await guests(gate, BULK, URGENT)
    assert bulk.permit.yield_requested
    [back] = await guests(gate, BULK)
    await bulk.leave()
    assert (urgent.inside, back.inside) == (True, False)
    assert not urgent.permit.yield_requested, "a lower lane asks nobody"
    await urgent.leave()
    assert back.inside


async def test_a_batch_that_fails_gives_its_place_back():
    gate = LaneSemaphore(1, reserved=0)
    with pytest.raises(ZeroDivisionError):
        async with gate.acquire(NORMAL):
            [waiter] = await guests(gate, NORMAL)
            raise ZeroDivisionError
    await settled()
    assert waiter.inside


async def test_a_place_that_is_handed_to_a_waiter_at_the_moment_it_is_cancelled_goes_on():
    gate = LaneSemaphore(1, reserved=0)
    async with gate.acquire(NORMAL):
        gone, patient = await guests(gate, URGENT, NORMAL)
    assert [one.lane for one in gate.running] == [URGENT], "it has the place and does not know yet"
    gone.task.cancel()
    await settled()
    assert (gone.permit, patient.inside) == (None, True)


async def test_what_need_not_wait_here_is_told_to_come_back():
    gate = LaneSemaphore(1, reserved=1)
    gate.require_capacity(NORMAL)
    await guests(gate, NORMAL)
    gate.require_capacity(URGENT)
    with pytest.raises(RetryLater) as later:
        gate.require_capacity(NORMAL)
    assert 0 < later.value.delay_s <= 1


# ---- property -------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.just("enter"), st.sampled_from(list(Lane))),
            st.tuples(st.sampled_from(["leave", "cancel"]), st.integers(0, 3)),
        ),
        st.booleans(),
    ),
    max_size=40,
)
"""Steps, and whether the loop turns before the next one; 0 names the one who came first."""


def check_bounds(gate: LaneSemaphore) -> None:
    """Never more at once than allowed; the reserved places are for urgent ones alone."""
    below = [one for one in gate.running if one.lane is not URGENT]
    assert len(gate.running) <= gate.capacity + gate.reserved
    assert len(below) <= gate.capacity


def check_nobody_starves(gate: LaneSemaphore, come: list[LaneHolder]) -> None:
    """A waiter waits because no place is free for it, or for a more urgent one."""
    waiting = [one for one in come if not one.permit and not one.task.done()]
    assert len(waiting) == len(gate.waiting)
    assert sum(one.inside for one in come) == len(gate.running)
    if waiting:
        assert not gate.has_capacity(min((one.lane for one in waiting), key=lambda lane: lane.rank))


def step(gate: LaneSemaphore, come: list[LaneHolder], what: str, value: Any) -> None:
    if what == "enter":
        come.append(LaneHolder(gate, value))
    elif what == "leave":
        for one in [one for one in come if one.inside][value : value + 1]:
            one.told.set()
    else:
        waiting = [one for one in come if not one.permit and not one.task.done()]
        for one in waiting[value : value + 1]:
            one.task.cancel()


async def play(places: int, reserved: int, journey: list[tuple[tuple[str, Any], bool]]) -> None:
    gate, come = LaneSemaphore(places, reserved), []
    for (what, value), at_once in journey:
        step(gate, come, what, value)
        if not at_once:
            await settled()
            check_nobody_starves(gate, come)
        check_bounds(gate)
    await all_leave(gate, come)


async def all_leave(gate: LaneSemaphore, come: list[LaneHolder]) -> None:
    for one in come:
        one.told.set()
    ended = await asyncio.gather(*(one.task for one in come), return_exceptions=True)
    assert {type(one) for one in ended} <= {type(None), asyncio.CancelledError}
    assert (gate.running, gate.waiting) == ([], []), "no place is lost, nobody is left behind"


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 2), st.integers(0, 1), steps)
def test_never_more_than_allowed_and_nobody_starves_below_a_free_place(places, reserved, journey):
    asyncio.run(play(places, reserved, journey))
