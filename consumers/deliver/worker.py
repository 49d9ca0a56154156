"""Delivery worker: on a wake-up, lease the batch, send its due rows, schedule the next wake-up."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog
from structlog.contextvars import bound_contextvars

from channels.base import Channel, Outcome, Session
from channels.errors import ChannelError, Misconfigured
from consumers.case_notices.recipients import CaseNoticeRecipients
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.gate import ChannelGate, never_paused
from consumers.channel_health.rejections import recipient_refs
from consumers.deliver.batch_run import BatchRun
from consumers.deliver.lease import Lease, UncommittedOutcomes
from consumers.deliver.policy import SendPolicy, Unrestricted
from consumers.deliver.renderings import RenderCache, RenderedContent
from consumers.deliver.slots import WorkerSlot
from consumers.ledger import moves
from consumers.ledger.backoff import GIVE_UP_S
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import SENDING_LETTERS, LedgerEntry, TimeRules, Versioned
from consumers.ledger.errors import ConcurrentUpdate
from consumers.ledger.store import BusError, Ledger
from consumers.ledger.wakeups import CanaryKey, Waker, WakeUp
from consumers.recipients import ContactLookup, PublicationRecipients
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import LaneSemaphore, Permit
from consumers.subscribers.transactional import TransactionalRecipients
from contracts import keys
from contracts.base.crash_points import crash_point
from contracts.delivery import BatchKey, Lane, PlanKey

log = structlog.get_logger()
LEASE_S = 60.0
CLOCK_SKEW_S = 5.0
BUSY_RETRY_S = 1.0
MAX_PAUSE_S = 30.0
STOP_GRACE_S = 3.0
"""How long a stop waits for what is on the wire: less than the shell waits for us."""


@dataclass
class DeliveryWorker:
    """One channel's deliveries. Several may run, here and on other machines; the ledger decides."""

    channel: Channel
    ledger: Ledger
    render_cache: RenderCache
    contact_lookup: ContactLookup
    waker: Waker
    semaphore: LaneSemaphore
    slot: WorkerSlot
    breaker_store: BreakerStore
    is_paused: Callable[[], bool] = never_paused
    clock: Callable[[], float] = time.time
    lease_s: float = LEASE_S
    is_stopping: bool = False
    uncommitted: dict[BatchKey, UncommittedOutcomes] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    try_canary: Callable[[CanaryKey], Awaitable[None]] | None = None
    case_notice_recipients: CaseNoticeRecipients | None = (
        None  # where people are told of their own dossiers
    )
    transactional_recipients: TransactionalRecipients | None = None  # where letters go
    policy: SendPolicy = field(default_factory=Unrestricted)

    def __post_init__(self) -> None:
        parts = (self.breaker_store, self.slot.name, self.waker.wake, self.is_paused, self.clock)
        self.channel_gate = ChannelGate(*parts)

    async def on_wake_up(self, wake_up: WakeUp) -> None:
        """Handle one wake-up; raises Later when it is not done."""
        if canary := wake_up.canary:
            await self.on_canary(canary)
            return
        batch = wake_up.key
        with bound_contextvars(
            batch=str(batch), channel=batch.channel.value, lane=wake_up.lane.value
        ):
            if batch in self.slot.active_batches:
                raise RetryLater(BUSY_RETRY_S, "in work here")
            crash_point("deliver.fetched")
            with self.slot.track(batch):
                crash_point("deliver.slot_noted")
                async with self.semaphore.acquire(wake_up.lane) as permit:
                    try:
                        await self.process(batch, permit)
                    finally:
                        await self.policy.wait_for_slot()

    async def on_canary(self, canary: CanaryKey) -> None:
        """A try of the channel takes an urgent batch's place and nothing else of a batch."""
        if self.try_canary is None or self.is_paused():
            return
        with bound_contextvars(channel=canary.channel.value, lane=Lane.URGENT.value):
            async with self.semaphore.acquire(Lane.URGENT):
                await self.try_canary(canary)

    async def process(self, batch: BatchKey, permit: Permit) -> None:
        """Work on *batch*, unless the channel stands still; then its turn comes later."""
        if self.policy.is_stopped(batch.plan) or not await self.channel_gate.may_proceed(permit):
            await self.expire_while_blocked(batch, permit.lane)
            return
        async with self.channel_gate.probe_scope(permit):
            await self.process_if_due(batch, permit)

    async def expire_while_blocked(self, batch: BatchKey, lane: Lane) -> None:
        """End what is over although nothing can be sent. Raises Later for the rest."""
        state = await self.load_if_due(batch)
        if state is None:
            return
        edition = await self.render_cache.content(batch.plan, state.value.notice_seq)
        rules = self.time_rules(
            edition, await self.recipient_strategy(batch).is_last_channel(batch, state.value)
        )
        now = self.clock()
        idle = moves.is_idle(state.value, now, rules)
        if idle or moves.overdue_rows(state.value, now, rules):
            await self.process_due_rows(batch, state)
        if not idle:
            left_s = moves.next_end_at(state.value, rules) - now
            raise RetryLater(
                min(self.channel_gate.wait_s(batch, lane), left_s), "the channel stands still"
            )

    async def wake_interrupted(self) -> None:
        """After a restart: wake at once what this slot had in work when it died."""
        for batch in self.slot.interrupted_batches:
            state = await self.ledger.state(batch)
            if state and not state.value.closed_at:
                await self.waker.wake(batch, state.value.lane)
                crash_point("deliver.recovered")
                log.info("batch_recovered", batch=str(batch))

    def stop(self) -> None:
        """Let every batch go after its window, and soon even if a provider says nothing more."""
        self.is_stopping = True
        asyncio.get_running_loop().call_later(STOP_GRACE_S, self.abort_sessions)

    def abort_sessions(self) -> None:
        """Only what is on the wire at this moment is in doubt, and no window's rest."""
        for session in self.sessions:
            session.abort()

    async def process_if_due(self, batch: BatchKey, permit: Permit) -> None:
        """Work on *batch* if it is due and free."""
        if (state := await self.load_if_due(batch)) is not None:
            await self.process_due_rows(batch, state, permit)

    async def load_if_due(self, batch: BatchKey) -> Versioned[LedgerEntry] | None:
        """The batch if there is something to do now. Raises Later while another works on it."""
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
        """Leave a batch to its living owner. Raises Later until the lease is surely over."""
        rest_s = entry.lease_until + CLOCK_SKEW_S - self.clock()
        if entry.owner and rest_s > 0 and not self.slot.owns(entry.owner):
            raise RetryLater(rest_s, "owned by another worker")

    def is_premature(self, entry: LedgerEntry) -> bool:
        """Nothing is due, nothing hangs: a doubled or early wake-up."""
        hot = not SENDING_LETTERS.isdisjoint(entry.rows)
        return not hot and not entry.halt and entry.due > self.clock() + 1

    async def reschedule(self, batch: BatchKey, entry: LedgerEntry) -> None:
        """Store the next wake-up before this one is acknowledged."""
        await self.waker.schedule(batch, entry.lane, entry.wake_number, entry.due)

    async def process_due_rows(
        self, batch: BatchKey, state: Versioned[LedgerEntry], permit: Permit | None = None
    ) -> None:
        """Claim *batch* and do what is due; without a permit only what needs no provider."""
        kind = self.recipient_strategy(batch)
        edition, (rows, addresses, last) = await asyncio.gather(
            self.render_cache.content(batch.plan, state.value.notice_seq),
            kind.recipients(batch, state.value),
        )
        token, rules = self.slot.new_owner_token(), self.time_rules(edition, last)
        unbooked = self.uncommitted.get(batch)
        claim = Lease(batch, token, rules, self.ledger, state, self.clock, unbooked)
        parts = (claim, self.channel, addresses, edition, rows, partial(self.must_stop, batch.plan))
        heard = partial(self.after_commit, claim, rows)
        work = BatchRun(
            *parts, before_commit=partial(self.policy.before_commit, batch), after_commit=heard
        )
        entry = await self.run_batch(work, permit)
        crash_point("deliver.released")
        if entry.closed_at:
            crash_point("deliver.closed")
            log.info("batch_closed", rows=len(entry.rows), possible_copies=entry.possible_copies)
            await kind.on_closed(batch, entry, self.clock())
        elif entry.due > self.clock() + 1:
            await kind.on_deferred(batch, entry, self.clock())
            crash_point("deliver.put_off")
            await self.reschedule(batch, entry)
            crash_point("deliver.scheduled")
        else:
            rest_s = max(work.pause_s, entry.due - self.clock())
            raise RetryLater(min(rest_s, MAX_PAUSE_S), "more to do")

    def recipient_strategy(
        self, batch: BatchKey
    ) -> PublicationRecipients | CaseNoticeRecipients | TransactionalRecipients:
        """Whom *batch* is for: a notice's only row is nobody that anything else knows."""
        if self.case_notice_recipients and keys.is_case(batch.content_id):
            return self.case_notice_recipients
        if self.transactional_recipients and keys.is_transactional(batch.content_id):
            return self.transactional_recipients
        return PublicationRecipients(self.render_cache, self.contact_lookup)

    async def after_commit(
        self, lease: Lease, rows: BatchRows, outcomes: Mapping[int, Outcome]
    ) -> None:
        """What a window says of its channel and of a notice's person."""
        batch, said = lease.batch, list(outcomes.values())
        await self.channel_gate.record_window(said, recipient_refs(batch, rows.ids, outcomes))
        await self.recipient_strategy(batch).on_outcomes(
            batch, lease.current.value, said, self.clock()
        )
        await self.policy.after_commit(batch, outcomes)

    async def run_batch(self, run: BatchRun, permit: Permit | None) -> LedgerEntry:
        """Run *work*; what it knew when the bus fell silent is kept for its next claim."""
        started, claim = self.clock(), run.lease
        try:
            entry = await self.send_in_session(run, permit)
        except ConcurrentUpdate:
            self.uncommitted.pop(claim.batch, None)
            raise RetryLater(BUSY_RETRY_S, "another worker took over") from None
        except BusError:
            if claim.is_confirmed or run.outcomes:  # a first write without an answer may stand, too
                self.uncommitted[claim.batch] = UncommittedOutcomes(claim.owner_token, run.outcomes)
            raise
        finally:
            if claim.is_confirmed and self.uncommitted.get(claim.batch) is claim.uncommitted:
                self.uncommitted.pop(claim.batch, None)
        counts = {status.value: count for status, count in entry.count_by_status().items()}
        log.info("batch_worked", took_s=round(self.clock() - started, 3), **counts)
        if run.expired_count and run.lease.time_rules.ends_as_expired:
            log.warning("rows_expired", rows=run.expired_count)
        elif run.expired_count:
            log.error("rows_given_up", rows=run.expired_count)
        return entry

    async def send_in_session(self, run: BatchRun, permit: Permit | None) -> LedgerEntry:
        """Use one connection, unless there is nothing to ask the provider, or nobody may."""
        if permit is None or moves.is_idle(run.entry, self.clock(), run.lease.time_rules):
            return await run.release()
        try:
            async with self.channel.session() as session, self.track_session(session):
                return await run.run(session, partial(self.should_yield, run, permit))
        except ChannelError as trouble:
            log_channel_error(trouble)
            shut = await self.channel_gate.record_refused_session(trouble.reason)
            raise RetryLater(
                BUSY_RETRY_S if shut else trouble.retry_after_s, trouble.reason
            ) from trouble

    @asynccontextmanager
    async def track_session(self, session: Session) -> AsyncIterator[None]:
        """A stop finds *session* for as long as the block runs."""
        self.sessions.append(session)
        try:
            yield
        finally:
            self.sessions.remove(session)

    def should_yield(self, run: BatchRun, permit: Permit) -> bool:
        """Whether a batch hands its place on: to a higher lane, or because all go slowly."""
        return permit.yield_requested or (bool(run.outcomes) and self.policy.is_throttled())

    def must_stop(self, plan: PlanKey) -> bool:
        """Whether nothing more is to be sent: we stop, or an operator or the brake says so."""
        return self.is_stopping or self.is_paused() or self.policy.is_stopped(plan)

    def time_rules(self, content: RenderedContent, is_last_channel: bool = False) -> TimeRules:
        """`expires_at` ends every row; without it 72 h of failures do, and only who was tried.

        A notice that nobody would take so long is over, not refused: another channel gets it. On
        its *last* channel it waits on, for as long as its contact is kept.
        """
        lease_s, settle_s = self.lease_s, self.channel.settle_s
        expires_at = content.expires_at
        if expires_at is None:
            patience_s = math.inf if is_last_channel else GIVE_UP_S
            return TimeRules(
                lease_s, settle_s, retry_for_s=patience_s, ends_as_expired=content.is_personal
            )
        return TimeRules(lease_s, settle_s, expires_at.timestamp(), ends_as_expired=True)

    def subscribers_per_lane(self) -> list[tuple[Lane, int]]:
        """Subscribers per lane: as many as run at once, and the reserved ones for urgent."""
        spare = {Lane.URGENT: self.semaphore.reserved}
        return [(lane, self.semaphore.capacity + spare.get(lane, 0)) for lane in Lane]


def log_channel_error(error: ChannelError) -> None:
    """A provider that is away comes back by itself; what needs an operator is an error."""
    if isinstance(error, Misconfigured):
        log.error("channel_unavailable", reason=error.reason)
    else:
        log.warning("channel_unavailable", reason=error.reason)
