"""A worker's lease on one batch, and ledger changes that only its holder may write."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from channels.base import Outcome, Verdict
from consumers.ledger import moves
from consumers.ledger.entry import LedgerEntry, TimeRules, Versioned
from consumers.ledger.errors import ConcurrentUpdate, LedgerError
from consumers.ledger.store import BusError, Ledger
from contracts.delivery import BatchKey

log = structlog.get_logger()
Transition = Callable[[LedgerEntry], LedgerEntry]
Outcomes = dict[int, Outcome]
NO_OUTCOMES: Mapping[int, Outcome] = {}


@dataclass(frozen=True, slots=True)
class UncommittedOutcomes:
    """What one claim knew when the bus fell silent; still true when the claim still stands."""

    owner_token: str
    outcomes: Outcomes


def boot_time() -> float:
    """Seconds that go on in suspend, unlike the monotonic clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Lease:
    """Whoever holds it may send until `expired`; it is lost for good when others took over."""

    batch: BatchKey
    owner_token: str
    time_rules: TimeRules
    ledger: Ledger
    current: Versioned[LedgerEntry]
    clock: Callable[[], float]
    uncommitted: UncommittedOutcomes | None = None
    is_lost: bool = False
    boot_deadline: float = 0.0
    wall_deadline: float = 0.0

    async def acquire(self) -> None:
        """Become the owner, and nothing else."""
        await self.commit(lambda entry: entry)

    def acquire_over(self, entry: LedgerEntry) -> LedgerEntry:
        """What the first write makes of *entry*: we own it, and what we knew of it is booked.

        Only then is *unbooked* no longer needed, see `taken`.
        """
        now = self.clock()
        if self.uncommitted and entry.owner == self.uncommitted.owner_token:
            entry = moves.book(entry, self.uncommitted.outcomes, now, self.time_rules)
        return moves.claim(entry, self.owner_token, now, self.time_rules)

    @property
    def is_confirmed(self) -> bool:
        """Whether this claim is known to have stood in the ledger."""
        return self.boot_deadline > 0

    async def renew(self) -> None:
        """Extend the lease; when that fails nothing more is sent, and the outcomes are evidence."""
        try:
            await self.commit(
                lambda entry: moves.grant(entry, (), self.clock(), self.time_rules)[0]
            )
        except (ConcurrentUpdate, BusError, LedgerError):
            self.is_lost = True

    def may_expire_within(self, request_timeout_s: float) -> bool:
        """Whether a request begun now could outlast the lease."""
        return (
            self.is_lost
            or boot_time() > self.boot_deadline - request_timeout_s
            or self.clock() > self.wall_deadline - request_timeout_s
        )

    async def commit(
        self, transition: Transition, outcomes: Mapping[int, Outcome] = NO_OUTCOMES
    ) -> None:
        """Write *change*; when a halt or a receipt came first, apply it to what stands now.

        The first write takes the batch, too.
        Raises Overtaken when another owner stands there: what *outcomes* say is left as evidence.
        Raises Silence when the bus does not answer for half a lease.
        """
        boot_end, wall_end = (
            boot_time() + self.time_rules.lease_s,
            self.clock() + self.time_rules.lease_s,
        )
        until = time.monotonic() + self.time_rules.lease_s / 2
        while True:
            before = self.current
            entry = before.value if self.is_confirmed else self.acquire_over(before.value)
            try:
                self.current = await self.ledger.swap(
                    self.batch, before, transition(entry), until=until
                )
            except ConcurrentUpdate as other:
                if not self.is_still_owner(before.value, other.current.value):
                    await self.record_late_evidence(other.current, outcomes, until)
                    raise
                self.current = other.current
            else:
                self.boot_deadline, self.wall_deadline = boot_end, wall_end
                return

    def is_still_owner(self, before: LedgerEntry, current: LedgerEntry) -> bool:
        """A claim that has not been written yet goes on only over an unchanged owner."""
        if before.owner == self.owner_token or current.owner == self.owner_token:
            return current.owner == self.owner_token
        same_lease = (current.owner, current.lease_until) == (before.owner, before.lease_until)
        return same_lease and not current.closed_at

    async def record_late_evidence(
        self, current: Versioned[LedgerEntry], outcomes: Mapping[int, Outcome], until: float
    ) -> None:
        """Not ours any more: only "it arrived" still counts, as a receipt would."""
        arrived = [r for r, said in outcomes.items() if said.verdict is Verdict.DELIVERED]
        entry = current.value
        for row in arrived:
            entry = moves.apply_evidence(entry, row)
        if entry != current.value:
            try:
                await self.ledger.swap(self.batch, current, entry, until=until)
            except ConcurrentUpdate:
                log.info("evidence_dropped", rows=len(arrived))
