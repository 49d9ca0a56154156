"""Channel gate: holds batches while the channel is paused or broken, and lets one of them probe."""

import time
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from channels.base import Outcome
from consumers.channel_health import breaker
from consumers.channel_health.breaker import SCORED_WINDOWS, Breaker, BreakerState
from consumers.channel_health.breaker_store import BreakerStore, Transition
from consumers.channel_health.rejections import RecipientRef, RejectionWindow, mostly_rejected
from consumers.channel_health.trouble import Trouble
from consumers.runtime.lanes import Permit
from contracts.delivery import BatchKey, Lane
from producers.bus import BusError
from producers.bus.periodic import log_bus_error

RECENT_SUCCESS_S = 5.0
_MESSAGE_LIMIT = 20
"""Whole messages refused in a row that open the breaker: so many errors end a session with a
Postfix, too (`smtpd_hard_error_limit`)."""
_POLL_S = 1.0
_MIN_WAIT_S = 30.0
_MAX_WAIT_S = 1800.0
_PROBE_RETRY_S = 5.0
"""Retry interval while a probe runs; waiters are woken when it succeeds."""
Wake = Callable[[BatchKey, Lane], Awaitable[None]]


class ProbeCandidate(NamedTuple):
    """The batch of a lane that returns when the next probe is due; others return later."""

    batch: BatchKey
    due_at: float


@dataclass
class ChannelGate:
    """Decides whether a worker's batch may send, probe alone, or has to wait."""

    breaker_store: BreakerStore
    worker: str
    wake: Wake
    is_paused: Callable[[], bool]
    clock: Callable[[], float] = time.time
    current: Breaker = field(default_factory=Breaker)
    window_scores: deque[bool] = field(default_factory=partial(deque, maxlen=SCORED_WINDOWS))
    rejections: RejectionWindow = field(default_factory=RejectionWindow)
    refused_messages: int = 0  # in a row, without a window that shows that the channel works
    last_success_at: float = float("-inf")
    was_paused: bool = False  # at the last refresh
    is_probing: bool = False  # a batch of this worker is the probe, or about to be
    blocked_since: float | None = None
    candidates: dict[Lane, ProbeCandidate] = field(default_factory=dict)
    trouble: Trouble = field(default_factory=Trouble)

    async def refresh(self, current: Breaker) -> None:
        """Act on the breaker of the bus; called at the start and once a second.

        A probe of this worker without a batch is abandoned: it ended without a result, a restart
        interrupted it, or the reply to the write that started it was lost.
        """
        was_blocked, was_paused = self.blocked_since is not None, self.was_paused
        self.current, self.was_paused = current, self.is_paused()
        is_blocked = self.was_paused or not current.is_closed
        if is_blocked and not was_blocked:
            self.blocked_since = self.clock()
            self.window_scores.clear()
            self.rejections.clear()
            self.refused_messages = 0
        elif not is_blocked:
            self.blocked_since = None
            if was_blocked:  # perhaps by the probe of another worker
                self.trouble.note_success()
        if (was_blocked and not is_blocked) or (was_paused and not self.was_paused):
            await self.wake_candidates(Lane)
        elif current.shy and current.state is BreakerState.OPEN and not self.was_paused:
            await self.wake_candidates([lane for lane in Lane if lane is not Lane.NOTICE])
        if not self.is_probing and breaker.is_probing(current, self.worker):
            now = self.clock()
            await self.update(lambda before: breaker.abandon_probe(before, self.worker, now))

    async def wake_candidates(self, lanes: Iterable[Lane]) -> None:
        """Wake the candidates at once, most urgent first; the sweeper wakes the others."""
        candidates = {lane: self.candidates.pop(lane) for lane in lanes if lane in self.candidates}
        try:
            for lane in sorted(candidates, key=lambda lane: lane.rank):
                await self.wake(candidates[lane].batch, lane)
        except BusError as error:
            log_bus_error(error)

    async def may_proceed(self, permit: Permit) -> bool:
        """Whether a batch may send: the channel works, or this batch becomes the probe."""
        if self.is_paused():
            return False
        # A worker without urgent batches leaves the first probe to other workers.
        since = self.clock() - permit.lane.rank
        if not self.is_probing and breaker.is_probe_due(self.current, since, permit.lane):
            self.is_probing = True
            try:
                permit.is_probe = await self.start_probe(permit.lane)
            finally:
                self.is_probing = permit.is_probe
        return permit.is_probe or self.current.is_closed

    async def start_probe(self, lane: Lane) -> bool:
        """Start a probe. False if another worker or another batch of this one probes."""
        started = False

        def start(before: Breaker) -> Breaker:
            nonlocal started
            after = breaker.start_probe(before, self.worker, self.clock(), lane)
            started = after is not before
            return after

        await self.update(start)
        return started and breaker.is_probing(self.current, self.worker)

    @contextmanager
    def probe_scope(self, permit: Permit) -> Iterator[None]:
        """End the permit's probe. Without a result, the next `refresh` abandons it."""
        try:
            yield
        finally:
            self.is_probing = self.is_probing and not permit.is_probe

    async def record_window(
        self, outcomes: Iterable[Outcome], recipients: Sequence[RecipientRef] = ()
    ) -> None:
        """Update breaker and rejections by a window's outcomes, one for each of *recipients*."""
        window = list(outcomes)
        good = breaker.score_window(window)
        self.rejections.record(dict(zip(recipients, window, strict=bool(recipients))))
        if good is not None:
            self.window_scores.append(good)
            refused = sum(outcome.message_refused for outcome in window)
            self.refused_messages = 0 if good else self.refused_messages + refused
        self.note_trouble(window, good)
        probing = not self.current.is_closed
        bad = good is False and (probing or self.is_failing)
        if bad or self.rejections.blocks_us or (probing and mostly_rejected(window)):
            reason = _reason_of(window)
            all_unverified = bool(recipients) and all(outcome.unverified for outcome in recipients)
            await self.record_failure(reason, unverified_only=all_unverified and not bad)
        elif good:
            await self.record_success()

    def note_trouble(self, window: Sequence[Outcome], good: bool | None) -> None:
        """Keep why a bad window failed, until a good one."""
        if good:
            self.trouble.note_success()
        elif good is False:
            self.trouble.note_failure(_reason_of(window))

    @property
    def is_failing(self) -> bool:
        return self.refused_messages >= _MESSAGE_LIMIT or breaker.is_failing(self.window_scores)

    async def record_success(self) -> None:
        self.last_success_at = self.clock()
        self.trouble.note_success()
        if not self.current.is_closed:
            await self.update(lambda old: breaker.succeed_probe(old, self.worker, self.clock()))

    async def record_refused_session(self, reason: str) -> bool:
        """Record that no session could be opened. False if others of this worker just worked."""
        self.trouble.note_failure(reason)
        if self.current.is_closed and self.clock() - self.last_success_at < RECENT_SUCCESS_S:
            return False
        await self.record_failure(reason)
        return not self.current.is_closed

    async def record_failure(self, reason: str, *, unverified_only: bool = False) -> None:
        await self.update(
            lambda before: breaker.fail(
                before, self.worker, reason, self.clock(), unverified_only=unverified_only
            )
        )

    async def update(self, transition: Transition) -> None:
        """Update the breaker; without a reply from the bus nothing changes."""
        try:
            await self.refresh(await self.breaker_store.update(transition))
        except BusError as error:
            log_bus_error(error)

    def wait_s(self, batch: BatchKey, lane: Lane) -> float:
        """Seconds until a blocked batch is retried.

        The candidate of each lane returns for the next probe. A batch that comes when the candidate
        is due replaces it, since another process may have got that one. The others wait longer the
        longer the channel is blocked, spread evenly, so that a large backlog costs little.
        """
        now = self.clock()
        candidate = self.candidates.get(lane)
        if candidate is None or candidate.batch == batch or candidate.due_at <= now + _POLL_S:
            self.candidates[lane] = ProbeCandidate(batch, now + self.next_probe_s(lane))
            return self.next_probe_s(lane)
        blocked_s = now - (now if self.blocked_since is None else self.blocked_since)
        longest_s = min(max(blocked_s, _MIN_WAIT_S), _MAX_WAIT_S)
        return longest_s * (0.5 + zlib.crc32(str(batch).encode()) % 512 / 1024)

    def next_probe_s(self, lane: Lane) -> float:
        """Seconds until a lane may probe; urgent lanes come first. A resume wakes candidates."""
        if self.is_paused():
            return _MAX_WAIT_S
        if self.current.state is BreakerState.OPEN:
            return max(self.current.until - self.clock(), 0.0) + lane.rank * _POLL_S
        return _PROBE_RETRY_S + lane.rank * _POLL_S


def _reason_of(window: Sequence[Outcome]) -> str:
    return next((outcome.reason for outcome in window if outcome.reason), "no answer")
