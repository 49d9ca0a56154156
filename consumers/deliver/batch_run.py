"""One run over a leased batch, window by window: intents before sending, outcomes after it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from channels.base import Channel, Outcome, Recipient, Session, Verdict
from channels.errors import ChannelError
from consumers.channel_health.rejections import mostly_rejected
from consumers.deliver.lease import Lease, Outcomes, Transition, boot_time
from consumers.deliver.renderings import RenderedContent
from consumers.ledger import moves
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import IN_DOUBT, SENDING_LETTERS, LedgerEntry
from consumers.ledger.row_ref import row_ref_prefix
from consumers.ledger.store import NoReply
from consumers.recipients import Contact, ContactLookup
from consumers.runtime.errors import RetryLater
from contracts import keys
from contracts.base.crash_points import crash_point

log = structlog.get_logger()
SENDABLE_VERDICTS = (Verdict.RESEND, Verdict.ABSENT)
STOPPING_VERDICTS = (Verdict.UNSENT, Verdict.HELD)
DEFAULT_PAUSE_S = 1.0
MAX_CONTACT_AGE_S = 60.0
"""Addresses older than this are read again, however slow the provider: who has left has left."""


async def ignore_outcomes(_: Mapping[int, Outcome]) -> None:
    """Nobody listens."""


@dataclass
class BatchRun:
    """One claim's windows; `outcomes` are what is known of rows on the wire and not booked yet."""

    lease: Lease
    channel: Channel
    contact_lookup: ContactLookup
    content: RenderedContent
    rows: BatchRows
    must_stop: Callable[[], bool]
    outcomes: Outcomes = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    contacts_valid_until: float = 0.0
    pause_s: float = 0.0
    before_commit: Callable[[Mapping[int, Outcome]], Awaitable[None]] = (
        ignore_outcomes  # told before booking
    )
    after_commit: Callable[[Mapping[int, Outcome]], Awaitable[None]] = (
        ignore_outcomes  # told after it
    )
    unreported: Mapping[int, Outcome] = field(
        default_factory=dict
    )  # booked, and *heard* not told yet
    expired_count: int = 0  # rows whose time was over
    expiring_count: int = 0  # of these, the ones that the write under way ends

    @property
    def entry(self) -> LedgerEntry:
        return self.lease.current.value

    async def run(self, session: Session, should_yield: Callable[[], bool]) -> LedgerEntry:
        """Send what is due until *wanted* by a higher lane. Returns the released entry.

        Whatever ends it early, what is known of rows on the wire is booked first.
        """
        if self.has_leftovers():
            await self.lease.acquire()
            crash_point("deliver.claimed")
        try:
            while not (should_yield() or self.must_stop() or self.pause_s):
                now, most = self.lease.clock(), self.channel.window
                rows = moves.due_rows(self.entry, now, self.lease.time_rules, most)
                if not rows:
                    break
                self.outcomes = await self.send_window(
                    session, await self.commit_intents(session, rows)
                )
        except (RetryLater, ChannelError):
            await self.release()
            raise
        return await self.release()

    def has_leftovers(self) -> bool:
        """Whether an earlier claim left rows open, or knows more of them than is booked.

        Where it did not, the first intents make us the owner as well.
        """
        left = {IN_DOUBT, *SENDING_LETTERS}
        return self.lease.uncommitted is not None or not left.isdisjoint(self.entry.rows)

    async def commit_intents(self, session: Session, rows: Sequence[int]) -> list[int]:
        """Commit the last window's outcomes and this one's intents in one write."""
        self.contacts_valid_until = boot_time() + MAX_CONTACT_AGE_S
        self.contacts = self.contact_lookup.lookup([self.rows.ids[row] for row in rows])
        known, seen = await self.resolve_doubts(session, rows), self.entry
        gone = {row: why for row in rows if (why := self.suppression_reason(row)) is not None}
        unsure = [row for row, said in known.items() if said.verdict not in SENDABLE_VERDICTS]
        wanted = [row for row in rows if row not in gone and row not in unsure]

        def change(entry: LedgerEntry) -> LedgerEntry:
            now, still = self.lease.clock(), moves.unchanged_rows(entry, seen, wanted)
            entry = moves.resolve(self.with_outcomes(entry), known, now)
            entry = self.expire_overdue(moves.suppress(entry, gone), now)
            return moves.grant(entry, still, now, self.lease.time_rules)[0]

        try:
            await self.commit(change)
        except NoReply:  # it may stand; then these rows look sent, and are not
            self.outcomes |= dict.fromkeys(wanted, Outcome(Verdict.UNSENT))
            raise
        return [row for row in wanted if self.entry.rows[row] in SENDING_LETTERS]

    def suppression_reason(self, row: int) -> str | None:
        """Why *row* must not be sent to, empty for who has left; None where nothing bars it."""
        contact = self.contacts.get(self.rows.ids[row])
        return "" if contact is None else contact.suppression_reason or None

    async def commit(self, transition: Transition) -> None:
        """Write *change*, which books the outcomes; then they may be spoken of."""
        if self.unreported:
            await self.before_commit(self.unreported)
        self.expiring_count = 0
        await self.lease.commit(transition, self.outcomes)
        self.expired_count += self.expiring_count
        self.outcomes = {}
        unsaid, self.unreported = self.unreported, {}
        if unsaid:
            await self.after_commit(unsaid)

    def expire_overdue(self, entry: LedgerEntry, now: float) -> LedgerEntry:
        """End what is over, and count it; the last call before a write is the one that stands."""
        self.expiring_count = len(moves.overdue_rows(entry, now, self.lease.time_rules))
        return moves.expire(entry, now, self.lease.time_rules)

    def with_outcomes(self, entry: LedgerEntry) -> LedgerEntry:
        return moves.book(entry, self.outcomes, self.lease.clock(), self.lease.time_rules)

    async def resolve_doubts(self, session: Session, rows: Sequence[int]) -> Outcomes:
        """What the channel knows of the window's rows in doubt."""
        doubtful = [row for row in rows if self.entry.rows[row] == IN_DOUBT]
        if not doubtful:
            return {}
        said = await session.resolve(self.content.rendered, self.build_recipients(doubtful))
        crash_point("deliver.doubt_answered")
        log.info("doubts_resolved", rows=len(doubtful))
        return dict(zip(doubtful, said, strict=True))

    async def send_window(self, session: Session, rows: list[int]) -> Outcomes:
        """Put *rows* on the wire; renew the lease while a slow provider keeps them there.

        Nothing is left sending behind our back: the next batch gets the same connection.
        """
        if not rows:
            return {}
        crash_point("deliver.intended")
        recipients = self.build_recipients(rows)
        sending = asyncio.create_task(
            session.send(self.content.rendered, recipients, self.must_not_send)
        )
        try:
            while not (await asyncio.wait({sending}, timeout=self.lease.time_rules.lease_s / 2))[0]:
                await self.lease.renew()
        finally:
            if not sending.done():
                self.lease.is_lost = True
                sending.cancel()
                await asyncio.wait({sending})
        outcomes = dict(zip(rows, sending.result(), strict=True))
        self.update_pause(outcomes)
        self.unreported = outcomes
        crash_point("deliver.answered")
        return outcomes

    def update_pause(self, outcomes: Outcomes) -> None:
        """A lost connection or a channel in trouble ends the batch after this window.

        So does one that turns most of them away; single ones are no reason.
        """
        said = list(outcomes.values())
        away = mostly_rejected(said)
        stops = [
            one
            for one in said
            if one.verdict in STOPPING_VERDICTS and (away or not one.policy_rejected)
        ]
        if stops:
            self.pause_s = max(one.retry_after_s or DEFAULT_PAUSE_S for one in stops)

    def must_not_send(self) -> bool:
        """Asked before each row: may nothing more be sent?"""
        if self.must_stop() or self.is_past_expiry() or boot_time() > self.contacts_valid_until:
            return True
        return self.lease.may_expire_within(self.channel.request_timeout_s)

    def is_past_expiry(self) -> bool:
        """Whether `expires_at` has passed, by our clock."""
        rules = self.lease.time_rules
        return rules.ends_as_expired and self.lease.clock() >= rules.give_up_at

    def build_recipients(self, rows: Sequence[int]) -> list[Recipient]:
        """The rows as the channel sees them, with the addresses of this window."""
        channel, content_id, revision, number = self.lease.batch
        kind = {"personal": self.content.is_personal, "digest": keys.is_digest(content_id)}
        place = row_ref_prefix(self.content.stream_seq, number, **kind)
        found = [self.contact_of(self.rows.ids[row]) for row in rows]
        named = keys.delivery_keys(content_id, revision, channel, [one.id for one in found])
        return [
            Recipient(
                one.id,
                key,
                one.address,
                one.name,
                one.id in self.rows.corrections,
                f"{place}{row}" if place else "",
                self.rows.item_masks.get(one.id, 0),
                self.rows.earlier_mails.get(one.id, ()),
            )
            for row, one, key in zip(rows, found, named, strict=True)
        ]

    def contact_of(self, id: str) -> Contact:
        """Where somebody is reached in this window; without an address if nowhere any more."""
        return self.contacts.get(id) or Contact(id)

    async def release(self) -> LedgerEntry:
        """Book the last window and let go."""

        def change(entry: LedgerEntry) -> LedgerEntry:
            now = self.lease.clock()
            return moves.release(self.expire_overdue(self.with_outcomes(entry), now), now)

        await self.commit(change)
        return self.entry
