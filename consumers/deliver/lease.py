"""A worker's lease on one batch, and ledger changes that only its holder may write."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from channels.base import Outcome, Verdict
from consumers.ledger import moves
from consumers.ledger.entry import LedgerEntry, TimeRules
from consumers.ledger.errors import ConcurrentUpdate, LedgerError
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey
from producers.bus import BusError
from producers.bus.records import Versioned

log = structlog.get_logger()
Transition = Callable[[LedgerEntry], LedgerEntry]
Outcomes = dict[int, Outcome]
_NO_OUTCOMES: Mapping[int, Outcome] = {}


@dataclass(frozen=True, slots=True)
class UncommittedOutcomes:
    """Outcomes a lease had when the bus stopped answering; valid while that lease is current."""

    owner_token: str
    outcomes: Outcomes


def boot_time() -> float:
    """Seconds since boot, suspended time included, unlike the monotonic clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Lease:
    """The right to send a batch until the lease expires; lost for good once another owner writes.

    Both clocks bound the lease: boot time for suspends, wall time for other machines.
    """

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

    def acquire_over(self, entry: LedgerEntry) -> LedgerEntry:
        """*entry* as the first write leaves it: owned, with the uncommitted outcomes booked.

        After that write, see `is_confirmed`, `uncommitted` is no longer needed.
        """
        now = self.clock()
        if self.uncommitted and entry.owner == self.uncommitted.owner_token:
            entry = moves.book(entry, self.uncommitted.outcomes, now, self.time_rules)
        return moves.claim(entry, self.owner_token, now, self.time_rules)

    @property
    def is_confirmed(self) -> bool:
        """Whether the ledger is known to have had this lease."""
        return self.boot_deadline > 0

    async def renew(self) -> None:
        """Extend the lease; after a failure nothing more is sent, outcomes are evidence."""
        try:
            await self.commit(lambda entry: moves.grant(entry, (), self.clock(), self.time_rules))
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
        self, transition: Transition, outcomes: Mapping[int, Outcome] = _NO_OUTCOMES
    ) -> None:
        """Write *transition*; after a concurrent halt or receipt, apply it to the current entry.

        The first write also acquires the lease.
        Raises ConcurrentUpdate if there is another owner; *outcomes* are then left as evidence.
        Raises NoReply when the bus does not answer for half a lease.
        """
        lease_s = self.time_rules.lease_s
        boot_deadline, wall_deadline = boot_time() + lease_s, self.clock() + lease_s
        until = time.monotonic() + lease_s / 2
        while True:
            before = self.current
            entry = before.value if self.is_confirmed else self.acquire_over(before.value)
            try:
                after = transition(entry)
                self.current = await self.ledger.swap(self.batch, before, after, until=until)
            except ConcurrentUpdate as conflict:
                if not self.is_still_owner(before.value, conflict.current.value):
                    await self.record_late_evidence(conflict.current, outcomes, until)
                    raise
                self.current = conflict.current
            else:
                self.boot_deadline, self.wall_deadline = boot_deadline, wall_deadline
                return

    def is_still_owner(self, before: LedgerEntry, current: LedgerEntry) -> bool:
        """Whether the lease goes on; before its first write only over an unchanged owner."""
        if before.owner == self.owner_token or current.owner == self.owner_token:
            return current.owner == self.owner_token
        same_lease = (current.owner, current.lease_until) == (before.owner, before.lease_until)
        return same_lease and not current.closed_at

    async def record_late_evidence(
        self, current: Versioned[LedgerEntry], outcomes: Mapping[int, Outcome], until: float
    ) -> None:
        """After losing the lease, record deliveries as evidence, as a receipt would be."""
        delivered = [row for row, one in outcomes.items() if one.verdict is Verdict.DELIVERED]
        entry = current.value
        for row in delivered:
            entry = moves.apply_evidence(entry, row, self.clock())
        if entry != current.value:
            try:
                await self.ledger.swap(self.batch, current, entry, until=until)
            except ConcurrentUpdate:
                log.info("evidence_dropped", rows=len(delivered))
