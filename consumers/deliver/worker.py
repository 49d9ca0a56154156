"""Delivery worker: on a wake-up, lease the batch, send its due rows, schedule the next wake-up."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, TypeAlias

import structlog
from structlog.contextvars import bound_contextvars

from channels.base import Channel, Rendered, Session
from channels.errors import Busy, ChannelError, Misconfigured
from consumers.channel_health.breaker_store import BreakerStore, circuit_of, circuits_of
from consumers.channel_health.gate import ChannelGate
from consumers.channel_health.rejections import recipient_refs
from consumers.channel_health.trouble import Trouble
from consumers.deliver.batch_run import BatchRun
from consumers.deliver.lease import Lease, Outcomes, UncommittedOutcomes
from consumers.deliver.policy import SendPolicy
from consumers.deliver.renderings import RenderCache, RenderedContent
from consumers.deliver.spread import AnswerSpeed, SpreadSession
from consumers.deliver.worker_slot_file import WorkerSlot
from consumers.ledger import moves
from consumers.ledger.backoff import GIVE_UP_S
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import SENDING_LETTERS, LedgerEntry, TimeRules, notice_entry
from consumers.ledger.errors import ConcurrentUpdate
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import CanaryKey, Waker, WakeUp
from consumers.messages import field_error
from consumers.recipients import (
    BatchRecipients,
    ContactLookup,
    PublicationRecipients,
    RecipientStrategy,
)
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import LaneSemaphore, Permit
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from contracts.delivery import BatchKey, Lane, PlanKey
from contracts.errors import Invalid
from producers.bus import BusError
from producers.bus.records import Versioned

log = structlog.get_logger()
Inputs: TypeAlias = tuple[RenderedContent[Rendered], BatchRecipients]
LoadInputs: TypeAlias = Callable[[LedgerEntry], Awaitable[Inputs[Rendered]]]
_LEASE_S = 60.0
CLOCK_SKEW_S = 5.0
BUSY_RETRY_S = 1.0
MAX_PAUSE_S = 30.0
STOP_GRACE_S = 3.0
"""How long a stop waits for requests under way; a process supervisor has to wait longer."""


@dataclass
class DeliveryWorker(Generic[Rendered]):
    """Delivers the batches of one channel. Any number may run, on any machines: the ledger decides.

    `strategies` know the recipients of special content; publications are what none of them serves.
    """

    channel: Channel[Rendered]
    ledger: Ledger
    render_cache: RenderCache[Rendered]
    contact_lookup: ContactLookup
    waker: Waker
    semaphore: LaneSemaphore
    slot: WorkerSlot
    breaker_store: BreakerStore
    is_paused: Callable[[], bool]
    clock: Callable[[], float] = time.time
    lease_s: float = _LEASE_S
    is_stopping: bool = False
    uncommitted: dict[BatchKey, UncommittedOutcomes] = field(default_factory=dict)
    sessions: list[Session[Rendered]] = field(default_factory=list)
    openings: list[asyncio.Timeout] = field(default_factory=list)
    speed: AnswerSpeed = field(default_factory=AnswerSpeed)
    try_canary: Callable[[CanaryKey], Awaitable[None]] | None = None
    strategies: Sequence[RecipientStrategy] = ()
    policy: SendPolicy = field(default_factory=SendPolicy)

    def __post_init__(self) -> None:
        self.gates = {
            circuit: ChannelGate(
                replace(self.breaker_store, circuit=circuit),
                self.slot.name,
                self.waker.wake,
                self.is_paused,
                self.clock,
                trouble=Trouble(self.clock),
            )
            for circuit in circuits_of(self.channel.name)
        }

    def gate_of(self, lane: Lane) -> ChannelGate:
        """The gate of the circuit that serves *lane*."""
        return self.gates[circuit_of(self.channel.name, lane)]

    async def on_wake_up(self, wake_up: WakeUp) -> None:
        """Handle one wake-up. Raises RetryLater when work is left, Invalid for a foreign batch."""
        if canary := wake_up.canary:
            await self.on_canary(canary)
            return
        batch, lane = wake_up.key, wake_up.lane
        if batch.channel is not self.channel.name:
            raise Invalid(field_error("batch", "batch_of_other_channel", value=batch))
        facts = {"content_id": batch.content_id, "revision": batch.revision, "lane": lane.value}
        with bound_contextvars(batch=str(batch), channel=batch.channel.value, **facts):
            if batch in self.slot.active_batches:
                raise RetryLater(BUSY_RETRY_S, "in work here")
            crash_point("deliver.fetched")
            with self.slot.track(batch):
                crash_point("deliver.slot_noted")
                async with self.semaphore.acquire(lane) as permit:
                    try:
                        await self.process(wake_up, permit)
                    finally:
                        await self.policy.wait_for_slot()

    async def on_canary(self, canary: CanaryKey) -> None:
        """Probe the channel on a permit of the urgent lane."""
        if self.try_canary is None or self.is_paused():
            return
        with bound_contextvars(channel=canary.channel.value, lane=Lane.URGENT.value):
            async with self.semaphore.acquire(Lane.URGENT):
                await self.try_canary(canary)

    async def process(self, wake_up: WakeUp, permit: Permit) -> None:
        """Process a batch, or only its expired rows while the channel is paused or broken."""
        gate, batch = self.gate_of(permit.lane), wake_up.key
        if self.policy.is_stopped(batch.plan) or not await gate.may_proceed(permit):
            await self.expire_while_blocked(batch, permit.lane)
            return
        with gate.probe_scope(permit):
            async with self.reading_ahead(wake_up) as load_inputs:
                if (state := await self.load_if_due(batch)) is not None:
                    inputs = await load_inputs(state.value)
                    await self.process_due_rows(batch, state, inputs, permit)

    @asynccontextmanager
    async def reading_ahead(self, wake_up: WakeUp) -> AsyncIterator[LoadInputs[Rendered]]:
        """Load the inputs of the event that *wake_up* names while its ledger entry is read.

        They are used only for an entry that names the same event; until then an error is none.
        """
        batch, named = wake_up.key, (wake_up.notice_seq, wake_up.notice_event_id)
        if not wake_up.notice_seq:
            yield partial(self.load_inputs, batch)
            return
        early = asyncio.create_task(self.load_inputs(batch, notice_entry(*named, 0.0)))

        async def load(entry: LedgerEntry) -> Inputs[Rendered]:
            is_named = (entry.notice_seq, entry.notice_event_id) == named
            return await (early if is_named else self.load_inputs(batch, entry))

        try:
            yield load
        finally:
            early.cancel()
            await asyncio.gather(early, return_exceptions=True)

    async def load_inputs(self, batch: BatchKey, entry: LedgerEntry) -> Inputs[Rendered]:
        """The content of *batch* and its recipients."""
        return await asyncio.gather(
            self.render_cache.content(batch.plan, entry.notice_seq),
            self.recipient_strategy(batch).recipients(batch, entry),
        )

    async def expire_while_blocked(self, batch: BatchKey, lane: Lane) -> None:
        """Expire overdue rows although the channel can't send. Raises RetryLater for the rest."""
        state = await self.load_if_due(batch)
        if state is None:
            return
        content = await self.render_cache.content(batch.plan, state.value.notice_seq)
        is_last = await self.recipient_strategy(batch).is_last_channel(batch, state.value)
        rules, now = self.time_rules(content, is_last), self.clock()
        if self.is_paused() and not rules.ends_as_expired:
            rules = replace(rules, retry_for_s=math.inf)  # a pause is not the row's time
        idle = moves.is_idle(state.value, now, rules)
        if idle or moves.overdue_rows(state.value, now, rules):
            await self.process_due_rows(batch, state, await self.load_inputs(batch, state.value))
        if not idle:
            left_s = moves.next_end_at(state.value, rules, now) - now
            wait_s = self.policy.hold_s(batch) or self.gate_of(lane).wait_s(batch, lane)
            raise RetryLater(min(wait_s, left_s), "the channel stands still")

    async def wake_interrupted(self) -> None:
        """After a restart, wake the batches that this slot had in work when its process died."""
        for batch in self.slot.interrupted_batches:
            state = await self.ledger.state(batch)
            if state and not state.value.closed_at:
                await self.waker.wake(batch, state.value.lane)
                crash_point("deliver.recovered")
                log.info("batch_recovered", batch=str(batch))

    def stop(self) -> None:
        """Release every batch after its window; after STOP_GRACE_S, stop waiting for providers."""
        self.is_stopping = True
        asyncio.get_running_loop().call_later(STOP_GRACE_S, self.abort_sessions)

    def abort_sessions(self) -> None:
        """Stop waiting for providers: only rows whose request is under way end in doubt."""
        for session in self.sessions:
            session.abort()
        for opening in self.openings:
            opening.reschedule(0.0)

    async def load_if_due(self, batch: BatchKey) -> Versioned[LedgerEntry] | None:
        """The batch if it has work now. Raises RetryLater while another worker owns it."""
        state = await self.ledger.state(batch)
        if state is None:
            log.error("batch_unknown")
            return None
        if state.value.closed_at:
            self.uncommitted.pop(batch, None)
            await self.recipient_strategy(batch).on_closed(batch, state.value, self.clock())
            return None
        self.check_lease(state.value)
        if self.is_premature(state.value):
            await self.reschedule(batch, state.value)
            return None
        return state

    def check_lease(self, entry: LedgerEntry) -> None:
        """Leave a batch to its owner. Raises RetryLater until the lease is over on any clock."""
        rest_s = entry.lease_until + CLOCK_SKEW_S - self.clock()
        if entry.owner and rest_s > 0 and not self.slot.owns(entry.owner):
            raise RetryLater(rest_s, "owned by another worker")

    def is_premature(self, entry: LedgerEntry) -> bool:
        """Whether no row is due or left from a dead owner: a repeated or early wake-up."""
        has_orphans = not SENDING_LETTERS.isdisjoint(entry.rows)
        return not has_orphans and not entry.halt and entry.due > self.clock() + 1

    async def reschedule(self, batch: BatchKey, entry: LedgerEntry) -> None:
        """Store the next wake-up before this one is acknowledged."""
        await self.waker.schedule(batch, entry)

    async def process_due_rows(
        self,
        batch: BatchKey,
        state: Versioned[LedgerEntry],
        inputs: Inputs[Rendered],
        permit: Permit | None = None,
    ) -> None:
        """Lease *batch* and send its due rows; without a permit only what needs no provider."""
        content, (rows, contact_lookup, is_last) = inputs
        token, rules = self.slot.new_owner_token(), self.time_rules(content, is_last)
        uncommitted = self.uncommitted.get(batch)
        lease = Lease(batch, token, rules, self.ledger, state, self.clock, uncommitted)
        run = BatchRun(
            lease,
            self.channel,
            contact_lookup,
            content,
            rows,
            partial(self.must_stop, batch.plan),
            partial(self.policy.before_commit, batch),
            partial(self.after_commit, lease, rows),
            self.policy.resolutions,
        )
        event_id = content.event_id or state.value.notice_event_id
        with _batch_context(batch, content, {"event_id": event_id} if event_id else {}) as span:
            entry = await self.run_batch(run, permit)
            span.set(_row_counts(entry))
            crash_point("deliver.released")
            await self.follow_up(batch, entry, run.pause_s)

    async def follow_up(self, batch: BatchKey, entry: LedgerEntry, pause_s: float) -> None:
        """Close, reschedule or retry a released batch. Raises RetryLater when work is left."""
        strategy = self.recipient_strategy(batch)
        if entry.closed_at:
            crash_point("deliver.closed")
            log.info("batch_closed", rows=len(entry.rows), possible_copies=entry.possible_copies)
            await strategy.on_closed(batch, entry, self.clock())
        elif entry.due > self.clock() + 1:
            await strategy.on_deferred(batch, entry, self.clock())
            crash_point("deliver.put_off")
            await self.reschedule(batch, entry)
            crash_point("deliver.scheduled")
        else:
            rest_s = max(pause_s, entry.due - self.clock())
            raise RetryLater(min(rest_s, MAX_PAUSE_S), "more to do")

    def recipient_strategy(self, batch: BatchKey) -> RecipientStrategy:
        """The first strategy that serves *batch*; publications need none."""
        serving = (strategy for strategy in self.strategies if strategy.serves(batch))
        publications = PublicationRecipients(self.render_cache, self.contact_lookup)
        return next(serving, publications)

    async def after_commit(self, lease: Lease, rows: BatchRows, outcomes: Outcomes) -> None:
        """Report a window's outcomes to the channel gate, the recipients and the policy."""
        batch, window = lease.batch, list(outcomes.values())
        of_channel = self.policy.channel_outcomes(batch.plan, outcomes)
        gate = self.gate_of(lease.current.value.lane)
        await gate.record_window(of_channel, recipient_refs(batch, rows.ids, outcomes))
        strategy = self.recipient_strategy(batch)
        await strategy.on_outcomes(batch, lease.current.value, window, self.clock())
        await self.policy.after_commit(batch, outcomes)

    async def run_batch(self, run: BatchRun[Rendered], permit: Permit | None) -> LedgerEntry:
        """Run *run*. When the bus stops answering, its outcomes are kept for the next lease."""
        started_at, lease = self.clock(), run.lease
        try:
            entry = await self.send_in_session(run, permit)
        except ConcurrentUpdate:
            self.uncommitted.pop(lease.batch, None)
            raise RetryLater(BUSY_RETRY_S, "another worker took over") from None
        except BusError:
            if lease.is_confirmed or run.outcomes:  # an unanswered first write may have succeeded
                self.uncommitted[lease.batch] = UncommittedOutcomes(lease.owner_token, run.outcomes)
            raise
        finally:
            if lease.is_confirmed and self.uncommitted.get(lease.batch) is lease.uncommitted:
                self.uncommitted.pop(lease.batch, None)
        self.log_run(run, entry, self.clock() - started_at)
        return entry

    def log_run(self, run: BatchRun[Rendered], entry: LedgerEntry, took_s: float) -> None:
        counts = {status.value: count for status, count in entry.count_by_status().items()}
        log.info("batch_worked", took_s=round(took_s, 3), **counts)
        if run.expired_count and run.lease.time_rules.ends_as_expired:
            log.warning("rows_expired", rows=run.expired_count)
        elif run.expired_count:
            log.error("rows_given_up", rows=run.expired_count)

    async def send_in_session(self, run: BatchRun[Rendered], permit: Permit | None) -> LedgerEntry:
        """Run on one session; without a permit or due rows, only release the batch."""
        if permit is None or moves.is_idle(run.entry, self.clock(), run.lease.time_rules):
            return await run.release()
        try:
            async with self.open_session(permit.lane) as session:
                spread = SpreadSession(
                    session,
                    partial(self.open_session, permit.lane),
                    self.semaphore,
                    permit.lane,
                    self.speed,
                    self.gate_of(permit.lane).trouble,
                )
                self.sessions.append(spread)
                try:
                    return await run.run(spread, partial(self.must_yield, run, permit))
                finally:
                    self.sessions.remove(spread)
        except Busy as busy:
            raise RetryLater(busy.retry_after_s, busy.reason) from busy
        except ChannelError as trouble:
            if isinstance(trouble, Misconfigured):  # an operator has to act
                log.error("channel_unavailable", reason=trouble.reason)
            else:
                log.warning("channel_unavailable", reason=trouble.reason)
            gate = self.gate_of(permit.lane)
            is_blocked = await gate.record_refused_session(trouble.reason)
            wait_s = BUSY_RETRY_S if is_blocked else trouble.retry_after_s
            raise RetryLater(wait_s, trouble.reason) from trouble

    @asynccontextmanager
    async def open_session(self, lane: Lane) -> AsyncIterator[Session[Rendered]]:
        """A session of the channel. Raises ChannelError, or RetryLater once the process stops."""
        async with AsyncExitStack() as stack:
            began = time.monotonic()
            try:
                async with asyncio.timeout(None) as opening:
                    self.openings.append(opening)
                    with self.gate_of(lane).trouble.waiting():
                        session = await stack.enter_async_context(self.channel.session())
            except TimeoutError:
                raise RetryLater(BUSY_RETRY_S, "stopped") from None
            finally:
                self.openings.remove(opening)
            self.speed.note_opening(time.monotonic() - began)
            yield session

    def must_yield(self, run: BatchRun[Rendered], permit: Permit) -> bool:
        """Whether *run* gives its permit back: to a higher lane, or because of throttling."""
        return permit.yield_requested or (bool(run.outcomes) and self.policy.is_throttled())

    def must_stop(self, plan: PlanKey) -> bool:
        """Whether sending ends: the process stops, or the channel or the plan is stopped."""
        return self.is_stopping or self.is_paused() or self.policy.is_stopped(plan)

    def time_rules(self, content: RenderedContent[Rendered], is_last: bool = False) -> TimeRules:
        """Time rules of *content*: `expires_at`, or 72 hours of retries from the first failure.

        Personal content that runs out of time counts as expired, so that its next channel may
        try. On the last channel it is retried for as long as its contact is kept.
        """
        spans, expires_at = (self.lease_s, self.channel.settle_s), content.expires_at
        if expires_at is not None:
            return TimeRules(*spans, expires_at.timestamp(), ends_as_expired=True)
        retry_for_s = math.inf if is_last else GIVE_UP_S
        return TimeRules(*spans, retry_for_s=retry_for_s, ends_as_expired=content.is_personal)

    def subscribers_per_lane(self) -> list[tuple[Lane, int]]:
        """Subscriptions per lane: one per permit, and the reserved ones for the urgent lane."""
        reserved = {Lane.URGENT: self.semaphore.reserved}
        return [(lane, self.semaphore.capacity + reserved.get(lane, 0)) for lane in Lane]


@contextmanager
def _batch_context(
    batch: BatchKey, content: RenderedContent[Rendered], event: dict[str, str]
) -> Iterator[tracing.Span]:
    """The log context and the span of a batch's run, in the trace of the event it came from.

    The batch of a digest came from many: its span links to them, and any span links to a wake-up
    of another trace.
    """
    woken, origins = tracing.carrier(), content.origins
    facts: dict[str, str | int | bool] = {
        "loa.channel": batch.channel.value,
        "loa.content_id": batch.content_id,
        "loa.revision": batch.revision,
        "loa.batch": batch.number,
        **{f"loa.{name}": value for name, value in event.items()},
    }
    with (
        tracing.continued(*origins if len(origins) == 1 else ()),
        tracing.span(tracing.DELIVER, facts, (woken, *origins)) as span,
        bound_contextvars(**event),
    ):
        yield span


def _row_counts(entry: LedgerEntry) -> dict[str, str | int | bool]:
    return {f"loa.rows.{status}": count for status, count in entry.count_by_status().items()}
