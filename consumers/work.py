"""A claimed batch at work: intents before effects, outcomes after them, one window at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from channels.base import Channel, Outcome, Recipient, Session, Verdict
from channels.errors import ChannelError
from consumers.addresses import Addresses, Contact
from consumers.claim import Change, Claim, Outcomes, boottime
from consumers.ledger import moves
from consumers.ledger.codec import Rows
from consumers.ledger.entry import IN_DOUBT, ON_THE_WIRE, Entry
from consumers.ledger.store import Silence
from consumers.library import Edition
from consumers.mail.place import prefix
from consumers.settle import Later
from consumers.turned_away import mostly
from contracts import keys
from contracts.crash import crash_point

log = structlog.get_logger()
SENDABLE = (Verdict.RESEND, Verdict.ABSENT)
STOPPERS = (Verdict.UNSENT, Verdict.HELD)
PAUSE_S = 1.0
ADDRESSES_S = 60.0
"""Addresses older than this are read again, however slow the provider: who has left has left."""


async def unheard(_: Mapping[int, Outcome]) -> None:
    """Nobody listens."""


@dataclass
class Work:
    """One claim's windows; `outcomes` are what is known of rows on the wire and not booked yet."""

    claim: Claim
    channel: Channel
    addresses: Addresses
    edition: Edition
    rows: Rows
    stop: Callable[[], bool]
    outcomes: Outcomes = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    contacts_end: float = 0.0
    pause_s: float = 0.0
    witness: Callable[[Mapping[int, Outcome]], Awaitable[None]] = unheard  # told before booking
    heard: Callable[[Mapping[int, Outcome]], Awaitable[None]] = unheard  # told after it
    unsaid: Mapping[int, Outcome] = field(default_factory=dict)  # booked, and *heard* not told yet
    over: int = 0  # rows whose time was over
    ending: int = 0  # of these, the ones that the write under way ends

    @property
    def entry(self) -> Entry:
        return self.claim.held.value

    async def run(self, session: Session, wanted: Callable[[], bool]) -> Entry:
        """Send what is due until *wanted* by a higher lane. Returns the released entry.

        Whatever ends it early, what is known of rows on the wire is booked first.
        """
        if self.inherits():
            await self.claim.take()
            crash_point("deliver.claimed")
        try:
            while not (wanted() or self.stop() or self.pause_s):
                now, most = self.claim.clock(), self.channel.window
                rows = moves.due_rows(self.entry, now, self.claim.rules, most)
                if not rows:
                    break
                self.outcomes = await self.window(session, await self.intend(session, rows))
        except (Later, ChannelError):
            await self.release()
            raise
        return await self.release()

    def inherits(self) -> bool:
        """Whether an earlier claim left rows open, or knows more of them than is booked.

        Where it did not, the first intents make us the owner as well.
        """
        left = {IN_DOUBT, *ON_THE_WIRE}
        return self.claim.unbooked is not None or not left.isdisjoint(self.entry.rows)

    async def intend(self, session: Session, rows: Sequence[int]) -> list[int]:
        """Commit the last window's outcomes and this one's intents in one write."""
        self.contacts_end = boottime() + ADDRESSES_S
        self.contacts = self.addresses.lookup([self.rows.ids[row] for row in rows])
        known, seen = await self.settle_doubts(session, rows), self.entry
        gone = {row: why for row in rows if (why := self.barred(row)) is not None}
        unsure = [row for row, said in known.items() if said.verdict not in SENDABLE]
        wanted = [row for row in rows if row not in gone and row not in unsure]

        def change(entry: Entry) -> Entry:
            now, still = self.claim.clock(), moves.untouched(entry, seen, wanted)
            entry = moves.resolve(self.booked(entry), known, now)
            entry = self.expired_rows(moves.suppress(entry, gone), now)
            return moves.grant(entry, still, now, self.claim.rules)[0]

        try:
            await self.commit(change)
        except Silence:  # it may stand; then these rows look sent, and are not
            self.outcomes |= dict.fromkeys(wanted, Outcome(Verdict.UNSENT))
            raise
        return [row for row in wanted if self.entry.rows[row] in ON_THE_WIRE]

    def barred(self, row: int) -> str | None:
        """Why *row* must not be sent to, empty for who has left; None where nothing bars it."""
        contact = self.contacts.get(self.rows.ids[row])
        return "" if contact is None else contact.barred or None

    async def commit(self, change: Change) -> None:
        """Write *change*, which books the outcomes; then they may be spoken of."""
        if self.unsaid:
            await self.witness(self.unsaid)
        self.ending = 0
        await self.claim.commit(change, self.outcomes)
        self.over += self.ending
        self.outcomes = {}
        unsaid, self.unsaid = self.unsaid, {}
        if unsaid:
            await self.heard(unsaid)

    def expired_rows(self, entry: Entry, now: float) -> Entry:
        """End what is over, and count it; the last call before a write is the one that stands."""
        self.ending = len(moves.overdue(entry, now, self.claim.rules))
        return moves.expire(entry, now, self.claim.rules)

    def booked(self, entry: Entry) -> Entry:
        return moves.book(entry, self.outcomes, self.claim.clock(), self.claim.rules)

    async def settle_doubts(self, session: Session, rows: Sequence[int]) -> Outcomes:
        """What the channel knows of the window's rows in doubt."""
        doubtful = [row for row in rows if self.entry.rows[row] == IN_DOUBT]
        if not doubtful:
            return {}
        said = await session.resolve(self.edition.rendered, self.recipients(doubtful))
        crash_point("deliver.doubt_answered")
        log.info("doubts_resolved", rows=len(doubtful))
        return dict(zip(doubtful, said, strict=True))

    async def window(self, session: Session, rows: list[int]) -> Outcomes:
        """Put *rows* on the wire; renew the lease while a slow provider keeps them there.

        Nothing is left sending behind our back: the next batch gets the same connection.
        """
        if not rows:
            return {}
        crash_point("deliver.intended")
        recipients = self.recipients(rows)
        sending = asyncio.create_task(session.send(self.edition.rendered, recipients, self.expired))
        try:
            while not (await asyncio.wait({sending}, timeout=self.claim.rules.lease_s / 2))[0]:
                await self.claim.renew()
        finally:
            if not sending.done():
                self.claim.lost = True
                sending.cancel()
                await asyncio.wait({sending})
        outcomes = dict(zip(rows, sending.result(), strict=True))
        self.note_stop(outcomes)
        self.unsaid = outcomes
        crash_point("deliver.answered")
        return outcomes

    def note_stop(self, outcomes: Outcomes) -> None:
        """A lost connection or a channel in trouble ends the batch after this window.

        So does one that turns most of them away; single ones are no reason.
        """
        said = list(outcomes.values())
        away = mostly(said)
        stops = [one for one in said if one.verdict in STOPPERS and (away or not one.turned_away)]
        if stops:
            self.pause_s = max(one.after_s or PAUSE_S for one in stops)

    def expired(self) -> bool:
        """Asked before each row: may nothing more be sent?"""
        if self.stop() or self.outdated() or boottime() > self.contacts_end:
            return True
        return self.claim.expired(self.channel.request_timeout_s)

    def outdated(self) -> bool:
        """Whether `expires_at` has passed, by our clock."""
        rules = self.claim.rules
        return rules.expires and self.claim.clock() >= rules.give_up_at

    def recipients(self, rows: Sequence[int]) -> list[Recipient]:
        """The rows as the channel sees them, with the addresses of this window."""
        channel, content_id, revision, number = self.claim.batch
        kind = {"personal": self.edition.personal, "digest": keys.is_digest(content_id)}
        place = prefix(self.edition.source, number, **kind)
        found = [self.contact(self.rows.ids[row]) for row in rows]
        named = keys.delivery_keys(content_id, revision, channel, [one.id for one in found])
        return [
            Recipient(
                one.id,
                key,
                one.address,
                one.name,
                one.id in self.rows.corrections,
                f"{place}{row}" if place else "",
                self.rows.picks.get(one.id, 0),
                self.rows.had.get(one.id, ()),
            )
            for row, one, key in zip(rows, found, named, strict=True)
        ]

    def contact(self, id: str) -> Contact:
        """Where somebody is reached in this window; without an address if nowhere any more."""
        return self.contacts.get(id) or Contact(id)

    async def release(self) -> Entry:
        """Book the last window and let go."""

        def change(entry: Entry) -> Entry:
            now = self.claim.clock()
            return moves.release(self.expired_rows(self.booked(entry), now), now)

        await self.commit(change)
        return self.entry
