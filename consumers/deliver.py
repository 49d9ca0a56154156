"""Woken by a wake-up: takes a batch, sends what is due, and says when to come back."""

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
from consumers.addresses import Addresses
from consumers.circuit import Circuit
from consumers.claim import Claim, Unbooked
from consumers.conduct import Conduct, Free
from consumers.guard import Guard, never
from consumers.lanes import Gate, Pass
from consumers.ledger import moves
from consumers.ledger.codec import Rows
from consumers.ledger.entry import ON_THE_WIRE, Entry, Rules
from consumers.ledger.store import BusError, Held, Ledger, Overtaken
from consumers.library import Edition, Library
from consumers.notices.persons import Persons, Readers
from consumers.readers.letters import Addressees
from consumers.retry import GIVE_UP_S
from consumers.settle import Later
from consumers.slots import Slot
from consumers.turned_away import callers
from consumers.wake import CanaryKey, Waker, WakeUp
from consumers.work import Work
from contracts import keys
from contracts.crash import crash_point
from contracts.delivery import BatchKey, Lane, PlanKey

log = structlog.get_logger()
LEASE_S = 60.0
SKEW_S = 5.0
BUSY_S = 1.0
LONGEST_PAUSE_S = 30.0
LET_GO_S = 3.0
"""How long a stop waits for what is on the wire: less than the shell waits for us."""


@dataclass
class Deliver:
    """One channel's deliveries. Several may run, here and on other machines; the ledger decides."""

    channel: Channel
    ledger: Ledger
    library: Library
    addresses: Addresses
    waker: Waker
    gate: Gate
    slot: Slot
    circuit: Circuit
    paused: Callable[[], bool] = never
    clock: Callable[[], float] = time.time
    lease_s: float = LEASE_S
    stopping: bool = False
    unbooked: dict[BatchKey, Unbooked] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    prove: Callable[[CanaryKey], Awaitable[None]] | None = None
    persons: Persons | None = None  # where people are told of their own dossiers
    addressees: Addressees | None = None  # where letters go
    conduct: Conduct = field(default_factory=Free)

    def __post_init__(self) -> None:
        parts = (self.circuit, self.slot.name, self.waker.wake, self.paused, self.clock)
        self.guard = Guard(*parts)

    async def on_wake_up(self, wake_up: WakeUp) -> None:
        """Handle one wake-up; raises Later when it is not done."""
        if canary := wake_up.canary:
            await self.on_canary(canary)
            return
        batch = wake_up.key
        with bound_contextvars(
            batch=str(batch), channel=batch.channel.value, lane=wake_up.lane.value
        ):
            if batch in self.slot.active:
                raise Later(BUSY_S, "in work here")
            crash_point("deliver.fetched")
            with self.slot.working(batch):
                crash_point("deliver.slot_noted")
                async with self.gate.enter(wake_up.lane) as permit:
                    try:
                        await self.go_in(batch, permit)
                    finally:
                        await self.conduct.breathe()

    async def on_canary(self, canary: CanaryKey) -> None:
        """A try of the channel takes an urgent batch's place and nothing else of a batch."""
        if self.prove is None or self.paused():
            return
        with bound_contextvars(channel=canary.channel.value, lane=Lane.URGENT.value):
            async with self.gate.enter(Lane.URGENT):
                await self.prove(canary)

    async def go_in(self, batch: BatchKey, permit: Pass) -> None:
        """Work on *batch*, unless the channel stands still; then its turn comes later."""
        if self.conduct.stops(batch.plan) or not await self.guard.lets(permit):
            await self.stand(batch, permit.lane)
            return
        async with self.guard.judged(permit):
            await self.visit(batch, permit)

    async def stand(self, batch: BatchKey, lane: Lane) -> None:
        """End what is over although nothing can be sent. Raises Later for the rest."""
        state = await self.at_hand(batch)
        if state is None:
            return
        edition = await self.library.edition(batch.plan, state.value.source)
        rules = self.rules(edition, await self.kind(batch).last(batch, state.value))
        now = self.clock()
        idle = moves.idle(state.value, now, rules)
        if idle or moves.overdue(state.value, now, rules):
            await self.work(batch, state)
        if not idle:
            left_s = moves.next_end(state.value, rules) - now
            raise Later(min(self.guard.wait_s(batch, lane), left_s), "the channel stands still")

    async def recover(self) -> None:
        """After a restart: wake at once what this slot had in work when it died."""
        for batch in self.slot.left:
            state = await self.ledger.state(batch)
            if state and not state.value.closed:
                await self.waker.wake(batch, state.value.lane)
                crash_point("deliver.recovered")
                log.info("batch_recovered", batch=str(batch))

    def stop(self) -> None:
        """Let every batch go after its window, and soon even if a provider says nothing more."""
        self.stopping = True
        asyncio.get_running_loop().call_later(LET_GO_S, self.let_go)

    def let_go(self) -> None:
        """Only what is on the wire at this moment is in doubt, and no window's rest."""
        for session in self.sessions:
            session.let_go()

    async def visit(self, batch: BatchKey, permit: Pass) -> None:
        """Work on *batch* if it is due and free."""
        if (state := await self.at_hand(batch)) is not None:
            await self.work(batch, state, permit)

    async def at_hand(self, batch: BatchKey) -> Held[Entry] | None:
        """The batch if there is something to do now. Raises Later while another works on it."""
        state = await self.ledger.state(batch)
        if state is None:
            log.error("batch_unknown")
            return None
        if state.value.closed:
            self.unbooked.pop(batch, None)
            await self.kind(batch).ended(batch, state.value, self.clock())
            return None
        self.respect(state.value)
        if self.early(state.value):
            await self.come_back(batch, state.value)
            return None
        return state

    def respect(self, entry: Entry) -> None:
        """Leave a batch to its living owner. Raises Later until the lease is surely over."""
        rest_s = entry.lease + SKEW_S - self.clock()
        if entry.owner and rest_s > 0 and not self.slot.may_take(entry.owner):
            raise Later(rest_s, "owned by another worker")

    def early(self, entry: Entry) -> bool:
        """Nothing is due, nothing hangs: a doubled or early wake-up."""
        hot = not ON_THE_WIRE.isdisjoint(entry.rows)
        return not hot and not entry.halt and entry.due > self.clock() + 1

    async def come_back(self, batch: BatchKey, entry: Entry) -> None:
        """Store the next wake-up before this one is acknowledged."""
        await self.waker.later(batch, entry.lane, entry.wake, entry.due)

    async def work(self, batch: BatchKey, state: Held[Entry], permit: Pass | None = None) -> None:
        """Claim *batch* and do what is due; without a permit only what needs no provider."""
        kind = self.kind(batch)
        edition, (rows, addresses, last) = await asyncio.gather(
            self.library.edition(batch.plan, state.value.source), kind.whom(batch, state.value)
        )
        token, rules = self.slot.token(), self.rules(edition, last)
        unbooked = self.unbooked.get(batch)
        claim = Claim(batch, token, rules, self.ledger, state, self.clock, unbooked)
        parts = (claim, self.channel, addresses, edition, rows, partial(self.halted, batch.plan))
        heard = partial(self.heard, claim, rows)
        work = Work(*parts, witness=partial(self.conduct.witness, batch), heard=heard)
        entry = await self.carry_out(work, permit)
        crash_point("deliver.released")
        if entry.closed:
            crash_point("deliver.closed")
            log.info("batch_closed", rows=len(entry.rows), possible_copies=entry.copies)
            await kind.ended(batch, entry, self.clock())
        elif entry.due > self.clock() + 1:
            await kind.put_off(batch, entry, self.clock())
            crash_point("deliver.put_off")
            await self.come_back(batch, entry)
            crash_point("deliver.scheduled")
        else:
            rest_s = max(work.pause_s, entry.due - self.clock())
            raise Later(min(rest_s, LONGEST_PAUSE_S), "more to do")

    def kind(self, batch: BatchKey) -> Readers | Persons | Addressees:
        """Whom *batch* is for: a notice's only row is nobody that anything else knows."""
        if self.persons and keys.is_case(batch.content_id):
            return self.persons
        if self.addressees and keys.is_letter(batch.content_id):
            return self.addressees
        return Readers(self.library, self.addresses)

    async def heard(self, claim: Claim, rows: Rows, outcomes: Mapping[int, Outcome]) -> None:
        """What a window says of its channel and of a notice's person."""
        batch, said = claim.batch, list(outcomes.values())
        await self.guard.heard(said, callers(batch, rows.ids, outcomes))
        await self.kind(batch).heard(batch, claim.held.value, said, self.clock())
        await self.conduct.heard(batch, outcomes)

    async def carry_out(self, work: Work, permit: Pass | None) -> Entry:
        """Run *work*; what it knew when the bus fell silent is kept for its next claim."""
        started, claim = self.clock(), work.claim
        try:
            entry = await self.send(work, permit)
        except Overtaken:
            self.unbooked.pop(claim.batch, None)
            raise Later(BUSY_S, "another worker took over") from None
        except BusError:
            if claim.taken or work.outcomes:  # a first write without an answer may stand, too
                self.unbooked[claim.batch] = Unbooked(claim.token, work.outcomes)
            raise
        finally:
            if claim.taken and self.unbooked.get(claim.batch) is claim.unbooked:
                self.unbooked.pop(claim.batch, None)
        counts = {status.value: count for status, count in entry.count().items()}
        log.info("batch_worked", took_s=round(self.clock() - started, 3), **counts)
        if work.over and work.claim.rules.expires:
            log.warning("rows_expired", rows=work.over)
        elif work.over:
            log.error("rows_given_up", rows=work.over)
        return entry

    async def send(self, work: Work, permit: Pass | None) -> Entry:
        """Use one connection, unless there is nothing to ask the provider, or nobody may."""
        if permit is None or moves.idle(work.entry, self.clock(), work.claim.rules):
            return await work.release()
        try:
            async with self.channel.session() as session, self.known(session):
                return await work.run(session, partial(self.steps_aside, work, permit))
        except ChannelError as trouble:
            tell(trouble)
            shut = await self.guard.refused(trouble.reason)
            raise Later(BUSY_S if shut else trouble.retry_after_s, trouble.reason) from trouble

    @asynccontextmanager
    async def known(self, session: Session) -> AsyncIterator[None]:
        """A stop finds *session* for as long as the block runs."""
        self.sessions.append(session)
        try:
            yield
        finally:
            self.sessions.remove(session)

    def steps_aside(self, work: Work, permit: Pass) -> bool:
        """Whether a batch hands its place on: to a higher lane, or because all go slowly."""
        return permit.wanted or (bool(work.outcomes) and self.conduct.tight())

    def halted(self, plan: PlanKey) -> bool:
        """Whether nothing more is to be sent: we stop, or an operator or the brake says so."""
        return self.stopping or self.paused() or self.conduct.stops(plan)

    def rules(self, edition: Edition, last: bool = False) -> Rules:
        """`expires_at` ends every row; without it 72 h of failures do, and only who was tried.

        A notice that nobody would take so long is over, not refused: another channel gets it. On
        its *last* channel it waits on, for as long as its contact is kept.
        """
        lease_s, settle_s = self.lease_s, self.channel.settle_s
        expires_at = edition.expires_at
        if expires_at is None:
            patience_s = math.inf if last else GIVE_UP_S
            return Rules(lease_s, settle_s, patience_s=patience_s, expires=edition.personal)
        return Rules(lease_s, settle_s, expires_at.timestamp(), expires=True)

    def connections(self) -> list[tuple[Lane, int]]:
        """Subscribers per lane: as many as run at once, and the reserved ones for urgent."""
        spare = {Lane.URGENT: self.gate.reserved}
        return [(lane, self.gate.places + spare.get(lane, 0)) for lane in Lane]


def tell(trouble: ChannelError) -> None:
    """A provider that is away comes back by itself; what needs an operator is an error."""
    if isinstance(trouble, Misconfigured):
        log.error("channel_unavailable", reason=trouble.reason)
    else:
        log.warning("channel_unavailable", reason=trouble.reason)
