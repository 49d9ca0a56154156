"""The owner's hold on one batch: a lease, and changes written over whatever stands."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from channels.base import Outcome, Verdict
from consumers.ledger import moves
from consumers.ledger.entry import Entry, Rules
from consumers.ledger.store import BusError, Held, Ledger, LedgerError, Overtaken
from contracts.delivery import BatchKey

log = structlog.get_logger()
Change = Callable[[Entry], Entry]
Outcomes = dict[int, Outcome]
NOTHING: Mapping[int, Outcome] = {}


@dataclass(frozen=True, slots=True)
class Unbooked:
    """What one claim knew when the bus fell silent; still true when the claim still stands."""

    token: str
    outcomes: Outcomes


def boottime() -> float:
    """Seconds that go on in suspend, unlike the monotonic clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Claim:
    """Whoever holds it may send until `expired`; it is lost for good when others took over."""

    batch: BatchKey
    token: str
    rules: Rules
    ledger: Ledger
    held: Held[Entry]
    clock: Callable[[], float]
    unbooked: Unbooked | None = None
    lost: bool = False
    boot_end: float = 0.0
    wall_end: float = 0.0

    async def take(self) -> None:
        """Become the owner, and nothing else."""
        await self.commit(lambda entry: entry)

    def ours(self, entry: Entry) -> Entry:
        """What the first write makes of *entry*: we own it, and what we knew of it is booked.

        Only then is *unbooked* no longer needed, see `taken`.
        """
        now = self.clock()
        if self.unbooked and entry.owner == self.unbooked.token:
            entry = moves.book(entry, self.unbooked.outcomes, now, self.rules)
        return moves.claim(entry, self.token, now, self.rules)

    @property
    def taken(self) -> bool:
        """Whether this claim is known to have stood in the ledger."""
        return self.boot_end > 0

    async def renew(self) -> None:
        """Extend the lease; when that fails nothing more is sent, and the outcomes are evidence."""
        try:
            await self.commit(lambda entry: moves.grant(entry, (), self.clock(), self.rules)[0])
        except (Overtaken, BusError, LedgerError):
            self.lost = True

    def expired(self, request_timeout_s: float) -> bool:
        """Whether a request begun now could outlast the lease."""
        return (
            self.lost
            or boottime() > self.boot_end - request_timeout_s
            or self.clock() > self.wall_end - request_timeout_s
        )

    async def commit(self, change: Change, outcomes: Mapping[int, Outcome] = NOTHING) -> None:
        """Write *change*; when a halt or a receipt came first, apply it to what stands now.

        The first write takes the batch, too.
        Raises Overtaken when another owner stands there: what *outcomes* say is left as evidence.
        Raises Silence when the bus does not answer for half a lease.
        """
        boot_end, wall_end = boottime() + self.rules.lease_s, self.clock() + self.rules.lease_s
        until = time.monotonic() + self.rules.lease_s / 2
        while True:
            before = self.held
            entry = before.value if self.taken else self.ours(before.value)
            try:
                self.held = await self.ledger.swap(self.batch, before, change(entry), until=until)
            except Overtaken as other:
                if not self.still_ours(before.value, other.state.value):
                    await self.testify(other.state, outcomes, until)
                    raise
                self.held = other.state
            else:
                self.boot_end, self.wall_end = boot_end, wall_end
                return

    def still_ours(self, before: Entry, stands: Entry) -> bool:
        """A claim that has not been written yet goes on only over an unchanged owner."""
        if before.owner == self.token or stands.owner == self.token:
            return stands.owner == self.token
        same_lease = (stands.owner, stands.lease) == (before.owner, before.lease)
        return same_lease and not stands.closed

    async def testify(
        self, stands: Held[Entry], outcomes: Mapping[int, Outcome], until: float
    ) -> None:
        """Not ours any more: only "it arrived" still counts, as a receipt would."""
        arrived = [r for r, said in outcomes.items() if said.verdict is Verdict.DELIVERED]
        entry = stands.value
        for row in arrived:
            entry = moves.evidence(entry, row)
        if entry != stands.value:
            try:
                await self.ledger.swap(self.batch, stands, entry, until=until)
            except Overtaken:
                log.info("evidence_dropped", rows=len(arrived))
