"""Lane semaphore: lanes share a channel's connections, and a lane never waits behind a lower one.

A batch acquires a permit before its lease. When all connections are taken, a waiting batch asks a
running one of a lower lane to yield; that one stops after its window, gives its batch back to the
queue, and the most urgent waiter takes its connection.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumers.runtime.errors import RetryLater
from contracts.delivery import Lane

_LANE_FULL_RETRY_S = 0.1


class Permit:
    """Permission to use one connection; `yield_requested` asks its holder to give it back.

    `is_probe`: its batch tests, alone, whether the channel works again.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.yield_requested = False
        self.is_probe = False


class LaneSemaphore:
    """`capacity` permits for all lanes, and `reserved` more for the urgent lane only."""

    def __init__(self, capacity: int, reserved: int = 1) -> None:
        self.capacity = capacity
        self.reserved = reserved
        self.running: list[Permit] = []
        self.waiting: list[tuple[int, int, Permit, asyncio.Future[None]]] = []
        self.arrival_numbers = itertools.count()

    @asynccontextmanager
    async def acquire(self, lane: Lane) -> AsyncIterator[Permit]:
        """Wait for a permit, most urgent lane first."""
        permit = Permit(lane)
        if not self.has_capacity(lane):
            await self.wait_in_queue(permit)
        else:
            self.running.append(permit)
        try:
            yield permit
        finally:
            self.running.remove(permit)
            self.admit_waiting()

    @property
    def spare_capacity(self) -> int:
        """How many more permits may be taken without a lane having to wait now."""
        return 0 if self.waiting else max(self.capacity - len(self.running), 0)

    @asynccontextmanager
    async def spare_permit(self, lane: Lane) -> AsyncIterator[Permit | None]:
        """A permit for a moment, if one is free; None if not."""
        if not self.spare_capacity:
            yield None
            return
        async with self.acquire(lane) as permit:
            yield permit

    def require_capacity(self, lane: Lane) -> None:
        """Raises RetryLater if *lane* would have to queue."""
        if not self.has_capacity(lane):
            raise RetryLater(_LANE_FULL_RETRY_S, "all permits of the lane are taken")

    def has_capacity(self, lane: Lane) -> bool:
        limit = self.capacity + (self.reserved if lane is Lane.URGENT else 0)
        return len(self.running) < limit

    async def wait_in_queue(self, permit: Permit) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.waiting, (permit.lane.rank, next(self.arrival_numbers), permit, turn))
        self.request_preemption(permit.lane)
        try:
            await turn
        except asyncio.CancelledError:
            self.cancel_waiting(permit, turn)
            raise

    def request_preemption(self, lane: Lane) -> None:
        """Ask the lowest running lane below *lane* to yield."""
        lower = [permit for permit in self.running if permit.lane.rank > lane.rank]
        not_asked = [permit for permit in lower if not permit.yield_requested]
        if not_asked:
            max(not_asked, key=lambda permit: permit.lane.rank).yield_requested = True

    def admit_waiting(self) -> None:
        while self.waiting and self.has_capacity(self.waiting[0][2].lane):
            _, _, permit, turn = heapq.heappop(self.waiting)
            if not turn.done():  # else cancelled a moment ago
                self.running.append(permit)
                turn.set_result(None)

    def cancel_waiting(self, permit: Permit, turn: asyncio.Future[None]) -> None:
        """Remove a cancelled waiter, and give back a permit that it may already hold."""
        if permit in self.running:
            self.running.remove(permit)
            self.admit_waiting()
            return
        self.waiting = [one for one in self.waiting if one[3] is not turn]
        heapq.heapify(self.waiting)
