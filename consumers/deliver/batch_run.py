"""One run over a leased batch, window by window: intents before sending, outcomes after it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

import structlog

from channels.base import Channel, Outcome, Recipient, Rendered, Session, Verdict
from channels.errors import ChannelError
from consumers.channel_health.rejections import mostly_rejected
from consumers.deliver.lease import Lease, Outcomes, Transition, boot_time
from consumers.deliver.outcome_metrics import count_copies, count_outcomes, count_unsent
from consumers.deliver.renderings import RenderedContent
from consumers.ledger import moves
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import IN_DOUBT, SENDING_LETTERS, LedgerEntry
from consumers.ledger.row_ref import row_ref_prefix
from consumers.recipients import Contact, ContactLookup, Unsent, reason_not_to_send
from consumers.runtime.errors import RetryLater
from contracts import keys
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from producers.bus import NoReply

log = structlog.get_logger()
SENDABLE_VERDICTS = (Verdict.RESEND, Verdict.ABSENT)
_STOPPING_VERDICTS = (Verdict.UNSENT, Verdict.HELD)
_DEFAULT_PAUSE_S = 1.0
_WINDOW_ROWS = "messaging.batch.message_count"
MAX_CONTACT_AGE_S = 60.0
"""Contacts are looked up again after this time, so that an erasure is obeyed."""


ReportOutcomes = Callable[[Mapping[int, Outcome]], Awaitable[None]]


@dataclass
class BatchRun(Generic[Rendered]):
    """The windows of one lease.

    `outcomes` belong to rows that the ledger still has as sending; `unreported` are committed, or
    about to be, and not yet passed to `after_commit`.
    """

    lease: Lease
    channel: Channel[Rendered]
    contact_lookup: ContactLookup
    content: RenderedContent[Rendered]
    rows: BatchRows
    must_stop: Callable[[], bool]
    before_commit: ReportOutcomes
    after_commit: ReportOutcomes
    resolutions: Callable[[Sequence[Outcome]], Awaitable[Sequence[Outcome]]]
    outcomes: Outcomes = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    contacts_valid_until: float = 0.0
    pause_s: float = 0.0
    unreported: Mapping[int, Outcome] = field(default_factory=dict)
    expired_count: int = 0
    expiring_count: int = 0  # rows that the write under way expires

    @property
    def entry(self) -> LedgerEntry:
        return self.lease.current.value

    async def run(self, session: Session[Rendered], must_yield: Callable[[], bool]) -> LedgerEntry:
        """Send due rows until *must_yield*. Returns the released entry.

        Known outcomes are committed first, however the run ends.
        """
        if self.has_leftovers():
            await self.lease.commit(lambda entry: entry)  # acquires it, and changes nothing else
            crash_point("deliver.claimed")
        try:
            while not (must_yield() or self.must_stop() or self.pause_s):
                now, limit = self.lease.clock(), self.channel.window
                rows = moves.due_rows(self.entry, now, self.lease.time_rules, limit)
                if not rows:
                    break
                intended = await self.commit_intents(session, rows)
                with tracing.child(tracing.WINDOW, {_WINDOW_ROWS: len(intended)}):
                    self.outcomes = await self.send_window(session, intended)
        except (RetryLater, ChannelError):
            await self.release()
            raise
        return await self.release()

    def has_leftovers(self) -> bool:
        """Whether an earlier lease left rows in doubt, or outcomes that are not committed.

        Without leftovers, the write of the first intents also acquires the lease.
        """
        unsettled = {IN_DOUBT, *SENDING_LETTERS}
        return self.lease.uncommitted is not None or not unsettled.isdisjoint(self.entry.rows)

    async def commit_intents(self, session: Session[Rendered], rows: Sequence[int]) -> list[int]:
        """Commit the last window's outcomes and this one's intents in one write."""
        self.contacts_valid_until = boot_time() + MAX_CONTACT_AGE_S
        self.contacts = self.contact_lookup.lookup([self.rows.ids[row] for row in rows])
        resolved, read = await self.resolve_doubts(session, rows), self.entry
        reasons = {row: self.suppression_reason(row) for row in rows}
        suppressed = {row: reason for row, reason in reasons.items() if reason is not None}
        unsettled = [row for row, one in resolved.items() if one.verdict not in SENDABLE_VERDICTS]
        sendable = [row for row in rows if row not in suppressed and row not in unsettled]

        def add_intents(entry: LedgerEntry) -> LedgerEntry:
            now, unchanged = self.lease.clock(), moves.unchanged_rows(entry, read, sendable)
            entry = moves.resolve(self.with_outcomes(entry), resolved, now)
            entry = self.expire_overdue(moves.suppress(entry, suppressed), now)
            return moves.grant(entry, unchanged, now, self.lease.time_rules)

        try:
            await self.commit(add_intents)
        except NoReply:  # the write may have succeeded: then the rows look sent, and are not
            self.outcomes |= dict.fromkeys(sendable, Outcome(Verdict.UNSENT))
            raise
        for reason in suppressed.values():
            count_unsent(self.channel.name, "suppressed", "suppressed" if reason else "left")
        return [row for row in sendable if self.entry.rows[row] in SENDING_LETTERS]

    def suppression_reason(self, row: int) -> str | None:
        """Why *row* must not be sent; None if it may be.

        Empty if the recipient has left, or is paused and was not sent the text that this mends.
        """
        id = self.rows.ids[row]
        mends_text = self.content.mends_earlier_texts and id in self.rows.corrections
        reason = reason_not_to_send(self.contacts.get(id), mends_text=mends_text)
        return "" if isinstance(reason, Unsent) else reason

    async def commit(self, transition: Transition) -> None:
        """Write *transition*, which books the outcomes, and report them before and after."""
        if self.unreported:
            await self.before_commit(self.unreported)
        self.expiring_count, copies = 0, self.entry.possible_copies
        await self.lease.commit(transition, self.outcomes)
        self.expired_count += self.expiring_count
        count_unsent(self.channel.name, "expired", "expired", self.expiring_count)
        count_copies(self.channel.name, self.entry.possible_copies - copies)
        self.outcomes = {}
        committed, self.unreported = self.unreported, {}
        if committed:
            await self.after_commit(committed)

    def expire_overdue(self, entry: LedgerEntry, now: float) -> LedgerEntry:
        """Expire and count overdue rows. A repeated call, after a conflict, counts anew."""
        self.expiring_count = len(moves.overdue_rows(entry, now, self.lease.time_rules))
        return moves.expire(entry, now, self.lease.time_rules)

    def with_outcomes(self, entry: LedgerEntry) -> LedgerEntry:
        return moves.book(entry, self.outcomes, self.lease.clock(), self.lease.time_rules)

    async def resolve_doubts(self, session: Session[Rendered], rows: Sequence[int]) -> Outcomes:
        """The outcomes of the window's rows in doubt, by the channel and the policy."""
        doubtful = [row for row in rows if self.entry.rows[row] == IN_DOUBT]
        if not doubtful:
            return {}
        known = await session.resolve(self.content.require(), self.build_recipients(doubtful))
        outcomes = await self.resolutions(known)
        count_outcomes(self.channel.name, outcomes)
        crash_point("deliver.doubt_answered")
        log.info("doubts_resolved", rows=len(doubtful))
        return dict(zip(doubtful, outcomes, strict=True))

    async def send_window(self, session: Session[Rendered], rows: list[int]) -> Outcomes:
        """Send *rows*, and renew the lease while a slow provider takes its time.

        The task has ended when this returns: the next batch gets the same connection.
        """
        if not rows:
            return {}
        crash_point("deliver.intended")
        content, recipients = self.content.require(), self.build_recipients(rows)
        sending = asyncio.create_task(session.send(content, recipients, self.must_not_send))
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
        count_outcomes(self.channel.name, outcomes.values())
        self.unreported = outcomes
        crash_point("deliver.answered")
        return outcomes

    def update_pause(self, outcomes: Outcomes) -> None:
        """End the run after this window if the channel is in trouble.

        Rejections by policy count only if the window had more of them than answers.
        """
        window = list(outcomes.values())
        stopping = [one for one in window if one.verdict in _STOPPING_VERDICTS]
        if not mostly_rejected(window):
            stopping = [one for one in stopping if not one.policy_rejected]
        if stopping:
            self.pause_s = max(one.retry_after_s or _DEFAULT_PAUSE_S for one in stopping)

    def must_not_send(self) -> bool:
        """The session's deadline, asked before each row."""
        if self.must_stop() or self.is_past_expiry() or boot_time() > self.contacts_valid_until:
            return True
        return self.lease.may_expire_within(self.channel.request_timeout_s)

    def is_past_expiry(self) -> bool:
        rules = self.lease.time_rules
        return rules.ends_as_expired and self.lease.clock() >= rules.give_up_at

    def build_recipients(self, rows: Sequence[int]) -> list[Recipient]:
        """The rows as the channel sees them; without an address if the recipient has left."""
        channel, content_id, revision, number = self.lease.batch
        ref = row_ref_prefix(self.content.kind, self.content.stream_seq, number)
        all_ids, known = self.rows.ids, self.contacts
        contacts = [known.get(all_ids[row]) or Contact(all_ids[row]) for row in rows]
        ids = [contact.id for contact in contacts]
        delivery_keys = keys.delivery_keys(content_id, revision, channel, ids)
        return [
            Recipient(
                contact.id,
                delivery_key,
                contact.address,
                contact.name,
                contact.id in self.rows.corrections,
                f"{ref}{row}" if ref else "",
                self.rows.item_masks.get(contact.id, 0),
                self.rows.earlier_mails.get(contact.id, ()),
            )
            for row, contact, delivery_key in zip(rows, contacts, delivery_keys, strict=True)
        ]

    async def release(self) -> LedgerEntry:
        """Commit the last window's outcomes and release the lease."""

        def release(entry: LedgerEntry) -> LedgerEntry:
            now = self.lease.clock()
            return moves.release(self.expire_overdue(self.with_outcomes(entry), now), now)

        await self.commit(release)
        return self.entry
