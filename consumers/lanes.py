"""Lanes share a channel's connections, and a lane never waits behind a lower one.

A batch enters the gate before it claims anything. When all connections are taken, a waiting batch
asks a running one of a lower lane to step aside; that one stops after its window, gives its batch
back to the queue, and the most urgent waiter takes the place.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumers.settle import Later
from contracts.delivery import Lane

FULL_S = 0.1


class Pass:
    """Permission to use one connection; `wanted` tells its holder to step aside.

    A `probe` finds out, alone, whether the channel works again.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.wanted = False
        self.probe = False


class Gate:
    """`places` connections for all, and `reserved` more that only the urgent lane uses."""

    def __init__(self, places: int, reserved: int = 1) -> None:
        self.places = places
        self.reserved = reserved
        self.running: list[Pass] = []
        self.waiting: list[tuple[int, int, Pass, asyncio.Future[None]]] = []
        self.order = itertools.count()

    @asynccontextmanager
    async def enter(self, lane: Lane) -> AsyncIterator[Pass]:
        """Wait for a connection, most urgent lane first."""
        permit = Pass(lane)
        if not self.free(lane):
            await self.queue(permit)
        else:
            self.running.append(permit)
        try:
            yield permit
        finally:
            self.running.remove(permit)
            self.admit()

    def check(self, lane: Lane) -> None:
        """For what need not wait here: raises Later when *lane* would have to queue."""
        if not self.free(lane):
            raise Later(FULL_S, "all places of the lane are taken")

    def free(self, lane: Lane) -> bool:
        limit = self.places + (self.reserved if lane is Lane.URGENT else 0)
        return len(self.running) < limit

    async def queue(self, permit: Pass) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.waiting, (permit.lane.rank, next(self.order), permit, turn))
        self.ask_aside(permit.lane)
        try:
            await turn
        except asyncio.CancelledError:
            self.leave(permit, turn)
            raise

    def ask_aside(self, lane: Lane) -> None:
        """Ask the lowest running lane below *lane* to make room."""
        lower = [one for one in self.running if one.lane.rank > lane.rank and not one.wanted]
        if lower:
            max(lower, key=lambda one: one.lane.rank).wanted = True

    def admit(self) -> None:
        """Let the most urgent waiters in, as far as there is room."""
        while self.waiting and self.free(self.waiting[0][2].lane):
            _, _, permit, turn = heapq.heappop(self.waiting)
            if not turn.done():  # else cancelled a moment ago
                self.running.append(permit)
                turn.set_result(None)

    def leave(self, permit: Pass, turn: asyncio.Future[None]) -> None:
        """A waiter was cancelled: give back a place it may have been handed meanwhile."""
        if permit in self.running:
            self.running.remove(permit)
            self.admit()
            return
        self.waiting = [one for one in self.waiting if one[3] is not turn]
        heapq.heapify(self.waiting)
