"""Recipients of case notices: one person each, on one channel after the other.

A notice has no plan: its single batch is created by one compare-and-set. The unit's next channel
gets a batch only if the current one certainly did not reach the person; a doubt never starts
another channel."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from channels.base import Outcome, Verdict
from consumers.ledger.backoff import GIVE_UP_S
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import LedgerEntry, notice_entry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.recipients import (
    BatchRecipients,
    RecipientStrategy,
    SingleRecipient,
    SuppressionList,
)
from contracts import keys, subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, PlanKey, Status
from contracts.records import NoticeRecord, notice_key
from producers.bus import Bus

log = structlog.get_logger()
NOT_REACHED_ROWS = (b"u", b"e")
"""Rows of batches that certainly did not reach the person; a capital letter may have."""
_DAY_S = 86400.0


@dataclass
class CaseNotices:
    """Reads bucket `notices`, and starts the batches of case notices. Raises BusError."""

    bus: Bus
    ledger: Ledger
    waker: Waker

    async def find_record(self, batch: PlanKey | BatchKey, event_id: str) -> NoticeRecord | None:
        """Return the contact of a notice; None once it is deleted."""
        key = notice_key(batch.content_id, batch.revision, event_id)
        value = await self.bus.bucket(subjects.NOTICES.name).get(key)
        return NoticeRecord.model_validate_json(value.data) if value else None

    async def start_batch(self, batch: BatchKey, entry: LedgerEntry) -> bool:
        """Create a notice's batch and wake it; False if it existed already."""
        is_created = await self.ledger.create_notice(batch, entry)
        crash_point("notice.entry_stored")
        await self.waker.wake_notice(batch, entry)
        crash_point("notice.woken")
        if is_created:
            log.info("notice_planned")
        return is_created

    async def try_next_channel(self, batch: BatchKey, entry: LedgerEntry, now: float) -> None:
        """Start the next channel if this one certainly did not reach the person."""
        if entry.rows not in NOT_REACHED_ROWS:
            _log_outcome(entry)
            return
        record = await self.find_record(batch, entry.notice_recipient)
        following = record.next_after(batch.channel) if record else None
        if following is None:
            log.warning("notice_undeliverable", reason=_row_reason(entry))
            return
        begun = notice_entry(entry.notice_seq, entry.notice_event_id, now)
        await self.start_batch(batch._replace(channel=following), begun)
        log.warning("notice_rerouted", to=following.value)


@dataclass
class CaseNoticeRecipients(RecipientStrategy):
    """Recipient strategy for case notices."""

    notices: CaseNotices
    suppressions: SuppressionList

    def serves(self, batch: BatchKey) -> bool:
        return keys.is_case(batch.content_id)

    async def recipients(self, batch: BatchKey, entry: LedgerEntry) -> BatchRecipients:
        """Return the person of a batch, with the suppression if there is one."""
        record = await self.notices.find_record(batch, entry.notice_recipient)
        address = record.contact.address(batch.channel) or "" if record else ""
        suppression = await self.suppressions.reason(batch.channel, address) if address else None
        recipient = SingleRecipient(address, suppression or "")
        rows, is_last = BatchRows((entry.notice_recipient,)), _has_no_next_channel(batch, record)
        return BatchRecipients(rows, recipient, is_last)

    async def is_last_channel(self, batch: BatchKey, entry: LedgerEntry) -> bool:
        """Whether no other channel follows; then this one does not give up."""
        record = await self.notices.find_record(batch, entry.notice_recipient)
        return _has_no_next_channel(batch, record)

    async def on_deferred(self, _batch: BatchKey, entry: LedgerEntry, now: float) -> None:
        """Log a notice that is still waiting, once a day after 72 hours.

        The last attempt before a full day logs, so no state has to be kept.
        """
        since = entry.notes[0].since if 0 in entry.notes else 0.0
        waits_s = entry.due - since if since else 0.0
        if waits_s >= GIVE_UP_S and (now - since) // _DAY_S < waits_s // _DAY_S:
            hours = int((now - since) // 3600)
            log.error("notice_waits_long", reason=_row_reason(entry), hours=hours)

    async def on_closed(self, batch: BatchKey, entry: LedgerEntry, now: float) -> None:
        """Start the next channel where needed; idempotent."""
        await self.notices.try_next_channel(batch, entry, now)

    async def on_outcomes(
        self, batch: BatchKey, entry: LedgerEntry, outcomes: Sequence[Outcome], now: float
    ) -> None:
        """Suppress a person who opted out on a channel, for as long as the channel says."""
        for outcome in outcomes:
            if not outcome.mute_s or outcome.verdict is not Verdict.SUPPRESSED:
                continue
            if record := await self.notices.find_record(batch, entry.notice_recipient):
                until = utc_time(now + outcome.mute_s)
                address = record.contact.address(batch.channel)
                await self.suppressions.add(batch.channel, address, outcome.reason, until)


def _has_no_next_channel(batch: BatchKey, record: NoticeRecord | None) -> bool:
    """Whether no channel follows; none does once the contact is deleted."""
    return record is None or record.next_after(batch.channel) is None


def _row_reason(entry: LedgerEntry) -> str:
    """Return the channel's reason for a batch's only row, if there is one."""
    return entry.notes[0].reason if 0 in entry.notes else ""


def _log_outcome(entry: LedgerEntry) -> None:
    """Log a notice that did not reach its person; a doubt may still end by itself."""
    status, why = next(iter(entry.count_by_status())), _row_reason(entry)
    if status is Status.UNKNOWN:
        log.warning("notice_unknown", reason=why)
    elif status is not Status.DELIVERED:
        log.error("notice_not_delivered", status=status.value, reason=why)
