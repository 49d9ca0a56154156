"""Keeps a worker's batches from a channel that is paused or broken, and lets one of them try."""

import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import structlog

from channels.base import Outcome
from consumers import breaker, turned_away
from consumers.breaker import MARKS, Breaker, State
from consumers.circuit import Circuit, Move
from consumers.lanes import Pass
from consumers.turned_away import Caller, Door
from contracts.delivery import BatchKey, Lane
from producers.bus import BusError

log = structlog.get_logger()
FRESH_S = 5.0
LOOK_S = 1.0
SHORTEST_S = 30.0
LONGEST_S = 1800.0
TRIES_S = 5.0
"""Where somebody tries: whoever waits is woken when it works."""
Wake = Callable[[BatchKey, Lane], Awaitable[None]]


def never() -> bool:
    return False


class Scout(NamedTuple):
    """A lane's batch that comes back when the next probe is due; all others come back later."""

    batch: BatchKey
    at: float


@dataclass
class Guard:
    """What one worker may do on its channel now: go on, try alone, or stand still."""

    circuit: Circuit
    who: str
    wake: Wake
    paused: Callable[[], bool] = never
    clock: Callable[[], float] = time.time
    now: Breaker = field(default_factory=Breaker)
    marks: deque[bool] = field(default_factory=partial(deque, maxlen=MARKS))
    door: Door = field(default_factory=Door)
    worked_at: float = float("-inf")
    halted: bool = False  # paused when last looked
    trying: bool = False  # a batch of ours is the probe, or is about to become it
    stands_since: float | None = None
    scouts: dict[Lane, Scout] = field(default_factory=dict)

    async def attend(self, now: Breaker) -> None:
        """Act on what stands on the bus; told at the start and once a second.

        A probe of ours that nobody here knows of is given up: a restart has cut it short, or the
        answer to the write that began it was lost.
        """
        stood, halted = self.stands_since is not None, self.halted
        self.now, self.halted = now, self.paused()
        stands = self.halted or not now.is_closed
        if stands and not stood:
            self.stands_since = self.clock()
            self.marks.clear()
            self.door.clear()
        elif not stands:
            self.stands_since = None
        if (stood and not stands) or (halted and not self.halted):
            await self.go_on(Lane)
        elif now.shy and now.state is State.OPEN and not self.halted:
            await self.go_on([lane for lane in Lane if lane is not Lane.NOTICE])
        if not self.trying and breaker.probes(now, self.who):
            await self.abandon()

    async def go_on(self, lanes: Iterable[Lane]) -> None:
        """Wake the scouts at once, most urgent first; the sweeper wakes the others."""
        scouts = {lane: self.scouts.pop(lane) for lane in lanes if lane in self.scouts}
        try:
            for lane in sorted(scouts, key=lambda one: one.rank):
                await self.wake(scouts[lane].batch, lane)
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))

    async def lets(self, permit: Pass) -> bool:
        """Whether a batch may go on: the channel runs, or it is this batch's turn to try."""
        if self.paused():
            return False
        # A worker whose most urgent batch is not urgent leaves the first try to others.
        since = self.clock() - permit.lane.rank
        if not self.trying and breaker.due(self.now, since, permit.lane):
            self.trying = True
            try:
                permit.probe = await self.probe(permit.lane)
            finally:
                self.trying = permit.probe
        return permit.probe or self.now.is_closed

    async def probe(self, lane: Lane) -> bool:
        """Whether the caller is the one that tries; another batch of this worker may be it."""
        mine = False

        def move(one: Breaker) -> Breaker:
            nonlocal mine
            after = breaker.probe(one, self.who, self.clock(), lane)
            mine = after is not one
            return after

        await self.change(move)
        return mine and breaker.probes(self.now, self.who)

    @asynccontextmanager
    async def judged(self, permit: Pass) -> AsyncIterator[None]:
        """A probe that ends without an answer makes room for the next one.

        Where the process ends in the middle of one, the next start does.
        """
        try:
            yield
        except Exception:
            await self.after(permit)
            raise
        await self.after(permit)

    async def after(self, permit: Pass) -> None:
        if permit.probe:
            self.trying = False
            if breaker.probes(self.now, self.who):
                await self.abandon()

    async def abandon(self) -> None:
        await self.change(lambda one: breaker.abandon(one, self.who, self.clock()))

    async def heard(self, outcomes: Iterable[Outcome], callers: Sequence[Caller] = ()) -> None:
        """What a window says of the channel as a whole; *callers* are whom it was for."""
        said = list(outcomes)
        good = breaker.mark(said)
        self.door.note(dict(zip(callers, said, strict=bool(callers))))
        if good is not None:
            self.marks.append(good)
        tries = not self.now.is_closed
        bad = good is False and (tries or breaker.strained(self.marks))
        if bad or self.door.shut or (tries and turned_away.mostly(said)):
            reason = next((one.reason for one in said if one.reason), "no answer")
            strangers = bool(callers) and all(one.stranger for one in callers)
            await self.trouble(reason, shy=strangers and not bad)
        elif good:
            await self.worked()

    async def worked(self) -> None:
        self.worked_at = self.clock()
        if not self.now.is_closed:
            await self.change(lambda one: breaker.succeed(one, self.who, self.clock()))

    async def refused(self, reason: str) -> bool:
        """No session was to be had. False: others of this worker work at this very moment."""
        if self.now.is_closed and self.clock() - self.worked_at < FRESH_S:
            return False
        await self.trouble(reason)
        return not self.now.is_closed

    async def trouble(self, reason: str, *, shy: bool = False) -> None:
        def move(one: Breaker) -> Breaker:
            now = self.clock()
            failed = breaker.fail(one, self.who, reason, now, shy=shy)
            return breaker.trip(failed, self.who, reason, now, shy=shy)

        await self.change(move)

    async def change(self, move: Move) -> None:
        """A bus that is silent changes nothing: then nothing else goes on either."""
        try:
            await self.attend(await self.circuit.change(move))
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))

    def wait_s(self, batch: BatchKey, lane: Lane) -> float:
        """When a batch that can't go now is looked at again.

        Each lane's scout comes for the next probe; whoever comes when it is expected takes its
        place, since another process may have got it. The others come the later the longer it
        lasts, spread, so that a backlog of any size costs next to nothing.
        """
        now = self.clock()
        scout = self.scouts.get(lane)
        if scout is None or scout.batch == batch or scout.at <= now + LOOK_S:
            self.scouts[lane] = Scout(batch, now + self.chance_s(lane))
            return self.chance_s(lane)
        stood_s = now - (now if self.stands_since is None else self.stands_since)
        longest_s = min(max(stood_s, SHORTEST_S), LONGEST_S)
        return longest_s * (0.5 + zlib.crc32(str(batch).encode()) % 512 / 1024)

    def chance_s(self, lane: Lane) -> float:
        """Seconds to a lane's next chance; the urgent one comes first. Who resumes, wakes."""
        if self.paused():
            return LONGEST_S
        if self.now.state is State.OPEN:
            return max(self.now.until - self.clock(), 0.0) + lane.rank * LOOK_S
        return TRIES_S + lane.rank * LOOK_S
