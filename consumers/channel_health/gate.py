"""Channel gate: holds batches while the channel is paused or broken, and lets one of them probe."""

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
from consumers.channel_health import breaker
from consumers.channel_health import rejections as channel_health_rejections
from consumers.channel_health.breaker import SCORED_WINDOWS, Breaker, BreakerState
from consumers.channel_health.breaker_store import BreakerStore, Transition
from consumers.channel_health.rejections import RecipientRef, RejectionWindow
from consumers.runtime.lanes import Permit
from contracts.delivery import BatchKey, Lane
from producers.bus import BusError

log = structlog.get_logger()
RECENT_SUCCESS_S = 5.0
POLL_S = 1.0
MIN_WAIT_S = 30.0
MAX_WAIT_S = 1800.0
PROBE_RETRY_S = 5.0
"""Where somebody tries: whoever waits is woken when it works."""
Wake = Callable[[BatchKey, Lane], Awaitable[None]]


def never_paused() -> bool:
    return False


class ProbeCandidate(NamedTuple):
    """A lane's batch that comes back when the next probe is due; all others come back later."""

    batch: BatchKey
    due_at: float


@dataclass
class ChannelGate:
    """What one worker may do on its channel now: go on, try alone, or stand still."""

    breaker_store: BreakerStore
    worker: str
    wake: Wake
    is_paused: Callable[[], bool] = never_paused
    clock: Callable[[], float] = time.time
    current: Breaker = field(default_factory=Breaker)
    window_scores: deque[bool] = field(default_factory=partial(deque, maxlen=SCORED_WINDOWS))
    rejections: RejectionWindow = field(default_factory=RejectionWindow)
    last_success_at: float = float("-inf")
    was_paused: bool = False  # paused when last looked
    is_probing: bool = False  # a batch of ours is the probe, or is about to become it
    blocked_since: float | None = None
    candidates: dict[Lane, ProbeCandidate] = field(default_factory=dict)

    async def refresh(self, current: Breaker) -> None:
        """Act on what stands on the bus; told at the start and once a second.

        A probe of ours that nobody here knows of is given up: a restart has cut it short, or the
        answer to the write that began it was lost.
        """
        stood, halted = self.blocked_since is not None, self.was_paused
        self.current, self.was_paused = current, self.is_paused()
        stands = self.was_paused or not current.is_closed
        if stands and not stood:
            self.blocked_since = self.clock()
            self.window_scores.clear()
            self.rejections.clear()
        elif not stands:
            self.blocked_since = None
        if (stood and not stands) or (halted and not self.was_paused):
            await self.wake_candidates(Lane)
        elif current.shy and current.state is BreakerState.OPEN and not self.was_paused:
            await self.wake_candidates([lane for lane in Lane if lane is not Lane.NOTICE])
        if not self.is_probing and breaker.is_probing(current, self.worker):
            await self.abandon_probe()

    async def wake_candidates(self, lanes: Iterable[Lane]) -> None:
        """Wake the scouts at once, most urgent first; the sweeper wakes the others."""
        scouts = {lane: self.candidates.pop(lane) for lane in lanes if lane in self.candidates}
        try:
            for lane in sorted(scouts, key=lambda one: one.rank):
                await self.wake(scouts[lane].batch, lane)
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))

    async def may_proceed(self, permit: Permit) -> bool:
        """Whether a batch may go on: the channel runs, or it is this batch's turn to try."""
        if self.is_paused():
            return False
        # A worker whose most urgent batch is not urgent leaves the first try to others.
        since = self.clock() - permit.lane.rank
        if not self.is_probing and breaker.is_probe_due(self.current, since, permit.lane):
            self.is_probing = True
            try:
                permit.is_probe = await self.start_probe(permit.lane)
            finally:
                self.is_probing = permit.is_probe
        return permit.is_probe or self.current.is_closed

    async def start_probe(self, lane: Lane) -> bool:
        """Whether the caller is the one that tries; another batch of this worker may be it."""
        mine = False

        def move(one: Breaker) -> Breaker:
            nonlocal mine
            after = breaker.start_probe(one, self.worker, self.clock(), lane)
            mine = after is not one
            return after

        await self.update(move)
        return mine and breaker.is_probing(self.current, self.worker)

    @asynccontextmanager
    async def probe_scope(self, permit: Permit) -> AsyncIterator[None]:
        """A probe that ends without an answer makes room for the next one.

        Where the process ends in the middle of one, the next start does.
        """
        try:
            yield
        except Exception:
            await self.finish_probe(permit)
            raise
        await self.finish_probe(permit)

    async def finish_probe(self, permit: Permit) -> None:
        if permit.is_probe:
            self.is_probing = False
            if breaker.is_probing(self.current, self.worker):
                await self.abandon_probe()

    async def abandon_probe(self) -> None:
        await self.update(lambda one: breaker.abandon_probe(one, self.worker, self.clock()))

    async def record_window(
        self, outcomes: Iterable[Outcome], recipients: Sequence[RecipientRef] = ()
    ) -> None:
        """What a window says of the channel as a whole; *callers* are whom it was for."""
        said = list(outcomes)
        good = breaker.score_window(said)
        self.rejections.record(dict(zip(recipients, said, strict=bool(recipients))))
        if good is not None:
            self.window_scores.append(good)
        tries = not self.current.is_closed
        bad = good is False and (tries or breaker.is_failing(self.window_scores))
        if (
            bad
            or self.rejections.blocks_us
            or (tries and channel_health_rejections.mostly_rejected(said))
        ):
            reason = next((one.reason for one in said if one.reason), "no answer")
            strangers = bool(recipients) and all(one.unverified for one in recipients)
            await self.record_failure(reason, unverified_only=strangers and not bad)
        elif good:
            await self.record_success()

    async def record_success(self) -> None:
        self.last_success_at = self.clock()
        if not self.current.is_closed:
            await self.update(lambda one: breaker.succeed_probe(one, self.worker, self.clock()))

    async def record_refused_session(self, reason: str) -> bool:
        """No session was to be had. False: others of this worker work at this very moment."""
        if self.current.is_closed and self.clock() - self.last_success_at < RECENT_SUCCESS_S:
            return False
        await self.record_failure(reason)
        return not self.current.is_closed

    async def record_failure(self, reason: str, *, unverified_only: bool = False) -> None:
        def move(one: Breaker) -> Breaker:
            now = self.clock()
            failed = breaker.fail_probe(
                one, self.worker, reason, now, unverified_only=unverified_only
            )
            return breaker.trip(failed, self.worker, reason, now, unverified_only=unverified_only)

        await self.update(move)

    async def update(self, transition: Transition) -> None:
        """A bus that is silent changes nothing: then nothing else goes on either."""
        try:
            await self.refresh(await self.breaker_store.update(transition))
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))

    def wait_s(self, batch: BatchKey, lane: Lane) -> float:
        """When a batch that can't go now is looked at again.

        Each lane's scout comes for the next probe; whoever comes when it is expected takes its
        place, since another process may have got it. The others come the later the longer it
        lasts, spread, so that a backlog of any size costs next to nothing.
        """
        now = self.clock()
        scout = self.candidates.get(lane)
        if scout is None or scout.batch == batch or scout.due_at <= now + POLL_S:
            self.candidates[lane] = ProbeCandidate(batch, now + self.next_probe_s(lane))
            return self.next_probe_s(lane)
        stood_s = now - (now if self.blocked_since is None else self.blocked_since)
        longest_s = min(max(stood_s, MIN_WAIT_S), MAX_WAIT_S)
        return longest_s * (0.5 + zlib.crc32(str(batch).encode()) % 512 / 1024)

    def next_probe_s(self, lane: Lane) -> float:
        """Seconds to a lane's next chance; the urgent one comes first. Who resumes, wakes."""
        if self.is_paused():
            return MAX_WAIT_S
        if self.current.state is BreakerState.OPEN:
            return max(self.current.until - self.clock(), 0.0) + lane.rank * POLL_S
        return PROBE_RETRY_S + lane.rank * POLL_S
