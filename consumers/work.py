"""One claim on one batch: intents before effects, outcomes after them, one window at a time."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from channels.base import Channel, Outcome, Recipient, Session, Verdict
from consumers.addresses import Addresses, Contact
from consumers.lanes import Pass
from consumers.ledger import moves
from consumers.ledger.codec import Rows
from consumers.ledger.entry import IN_DOUBT, ON_THE_WIRE, Entry, Rules
from consumers.ledger.store import Held, Ledger, Overtaken, Silence
from consumers.library import Edition
from contracts import keys
from contracts.delivery import BatchKey

log = structlog.get_logger()
Change = Callable[[Entry], Entry]
Outcomes = dict[int, Outcome]
SENDABLE = (Verdict.RESEND, Verdict.ABSENT)
STOPPERS = (Verdict.UNSENT, Verdict.HELD)
PAUSE_S = 1.0


def boottime() -> float:
    """Seconds that go on in suspend, unlike the monotonic clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Work:
    """The owner's side of a batch, from claim to release."""

    batch: BatchKey
    token: str
    rules: Rules
    channel: Channel
    ledger: Ledger
    addresses: Addresses
    edition: Edition
    rows: Rows
    held: Held[Entry]
    clock: Callable[[], float]
    lost: bool = False
    pause_s: float = 0.0
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    boot_end: float = field(default=0.0)
    wall_end: float = field(default=0.0)

    async def run(self, session: Session, permit: Pass, stop: Callable[[], bool]) -> Entry:
        """Send what is due, window by window. Returns the released entry."""
        await self.commit(lambda entry: moves.claim(entry, self.token, self.clock(), self.rules))
        outcomes: Outcomes = {}
        while not (permit.wanted or stop() or self.pause_s):
            rows = moves.due_rows(self.held.value, self.clock())[: self.channel.window]
            if not rows:
                break
            granted = await self.intend(session, rows, outcomes)
            outcomes = await self.window(session, granted)
        return await self.release(outcomes)

    async def intend(self, session: Session, rows: Sequence[int], outcomes: Outcomes) -> list[int]:
        """Commit the last window's outcomes and this one's intents in one write."""
        self.contacts = self.addresses.lookup([self.rows.ids[row] for row in rows])
        known = await self.settle_doubts(session, rows)
        gone = [row for row in rows if self.rows.ids[row] not in self.contacts]
        unsure = [row for row, said in known.items() if said.verdict not in SENDABLE]
        wanted = [row for row in rows if row not in gone and row not in unsure]

        def change(entry: Entry) -> Entry:
            now = self.clock()
            entry = moves.resolve(moves.book(entry, outcomes, now, self.rules), known, now)
            entry = moves.expire(moves.suppress(entry, gone), now, self.rules)
            return moves.grant(entry, wanted, now, self.rules)[0]

        await self.commit(change, outcomes)
        return [row for row in wanted if self.held.value.rows[row] in ON_THE_WIRE]

    async def settle_doubts(self, session: Session, rows: Sequence[int]) -> Outcomes:
        """What the channel knows of the window's rows in doubt."""
        doubtful = [row for row in rows if self.held.value.rows[row] == IN_DOUBT]
        if not doubtful:
            return {}
        said = await session.resolve(self.edition.rendered, self.recipients(doubtful))
        log.info("doubts_resolved", rows=len(doubtful))
        return dict(zip(doubtful, said, strict=True))

    async def window(self, session: Session, rows: list[int]) -> Outcomes:
        """Put *rows* on the wire; renew the lease while a slow provider keeps them there."""
        if not rows:
            return {}
        sending = asyncio.create_task(
            session.send(self.edition.rendered, self.recipients(rows), self.expired)
        )
        while not (await asyncio.wait({sending}, timeout=self.rules.lease_s / 2))[0]:
            await self.renew()
        outcomes = dict(zip(rows, sending.result(), strict=True))
        self.note_stop(outcomes)
        return outcomes

    def note_stop(self, outcomes: Outcomes) -> None:
        """A lost connection or a channel in trouble ends the batch after this window."""
        stops = [said for said in outcomes.values() if said.verdict in STOPPERS]
        if stops:
            self.pause_s = max(said.after_s or PAUSE_S for said in stops)

    async def renew(self) -> None:
        """Extend the lease; when that fails nothing more is sent, and the outcomes are evidence."""
        try:
            await self.commit(lambda entry: moves.grant(entry, (), self.clock(), self.rules)[0])
        except (Overtaken, Silence):
            self.lost = True

    def expired(self) -> bool:
        """Asked before each row: may nothing more be sent under this lease?"""
        timeout_s = self.channel.request_timeout_s
        return (
            self.lost
            or boottime() > self.boot_end - timeout_s
            or self.clock() > self.wall_end - timeout_s
        )

    def recipients(self, rows: Sequence[int]) -> list[Recipient]:
        """The rows as the channel sees them, with the addresses of this window."""
        channel, content_id, revision, _ = self.batch
        found = [self.contacts.get(self.rows.ids[row], Contact(self.rows.ids[row])) for row in rows]
        return [
            Recipient(
                one.id,
                keys.delivery_key(content_id, revision, channel, one.id),
                one.address,
                one.name,
                one.id in self.rows.corrections,
            )
            for one in found
        ]

    async def release(self, outcomes: Outcomes) -> Entry:
        """Book the last window and let go."""

        def change(entry: Entry) -> Entry:
            now = self.clock()
            booked = moves.book(entry, outcomes, now, self.rules)
            return moves.release(moves.expire(booked, now, self.rules), now)

        await self.commit(change, outcomes)
        return self.held.value

    async def commit(self, change: Change, outcomes: Mapping[int, Outcome] = {}) -> None:
        """Write *change*; when a halt or a receipt came first, apply it to what stands now.

        Raises Overtaken when another owner stands there: what we know is left as evidence.
        """
        boot_end, wall_end = boottime() + self.rules.lease_s, self.clock() + self.rules.lease_s
        until = time.monotonic() + self.rules.lease_s / 2
        while True:
            before = self.held
            try:
                self.held = await self.ledger.swap(
                    self.batch, before, change(before.value), until=until
                )
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
