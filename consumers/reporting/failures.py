"""Failures: recipients who were not reached, or perhaps not, by item, channel and reason."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from channels.email.smtp.outcomes import code_in_reason
from consumers.email.bounce_records import BounceRecords
from consumers.ledger import bulk
from consumers.ledger.bulk import StoredBatch
from consumers.ledger.entry import STATUS_OF_LETTER, LedgerEntry, RowNote
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from consumers.progress import report_progress
from contracts import keys
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, PlanKey, Status

FailureStatus = Literal["failed", "expired", "unknown", "maybe_sent", "bounced"]
_MAX_NAMED = 20
_STATUSES: dict[Status, FailureStatus] = {
    Status.FAILED: "failed",
    Status.EXPIRED: "expired",
    Status.UNKNOWN: "unknown",
    Status.MAYBE_SENT: "maybe_sent",
}
_FAILED_LETTERS = frozenset(
    letter for letter, status in STATUS_OF_LETTER.items() if status in _STATUSES
)


class Failure(BaseModel):
    """Recipients of one plan with one status and reason.

    `since`: the first of them. `recipients`: some of their opaque ids. `remedy`: what to do.
    """

    model_config = ConfigDict(frozen=True)

    content_id: str
    revision: int
    channel: ChannelName
    status: FailureStatus
    reason: str
    since: datetime
    count: int
    recipients: tuple[str, ...]
    remedy: str
    remedy_vi: str


class _Cause(NamedTuple):
    plan: PlanKey
    status: FailureStatus
    reason: str


@dataclass
class _Rows:
    """The rows of one cause."""

    since: float = float("inf")
    count: int = 0
    recipients: list[str] = field(default_factory=list)


@dataclass
class FailureReader:
    """Reads the states that changed from sequence *start* of the ledger on."""

    ledger: Ledger
    start: int = 1
    causes: dict[_Cause, _Rows] = field(default_factory=dict)
    read_count: int = 0

    async def read(self, content_id: str = "") -> list[Failure]:
        """The failures of one item, or of all; the latest first. Raises BusError, LedgerError."""
        bucket = self.ledger.bucket
        scopes = [f"{name}.{content_id}." for name in ChannelName] if content_id else [""]
        for scope in scopes:
            async for _, batch in bulk.read_states(bucket, scope, start=self.start):
                self.read_count += 1
                report_progress("batches", self.read_count)
                if batch and batch.entry and not _FAILED_LETTERS.isdisjoint(batch.entry.rows):
                    await self.add_batch(batch, batch.entry)
            async for key, bounces in BounceRecords(bucket).batches(scope, start=self.start):
                for row, code in bounces.bounced.items():
                    await self.add_row(_Cause(key.plan, "bounced", code), key, row, bounces.at)
        found = [_failure(cause, rows) for cause, rows in self.causes.items()]
        return sorted(found, key=lambda failure: failure.since, reverse=True)

    async def add_batch(self, batch: StoredBatch, entry: LedgerEntry) -> None:
        for row, letter in enumerate(entry.rows):
            if letter in _FAILED_LETTERS:
                reason = entry.notes.get(row, RowNote()).reason
                status = _STATUSES[STATUS_OF_LETTER[letter]]
                cause = _Cause(batch.key.plan, status, reason)
                await self.add_row(cause, batch.key, row, entry.failed_at(row))

    async def add_row(self, cause: _Cause, batch: BatchKey, row: int, since: float) -> None:
        rows = self.causes.setdefault(cause, _Rows())
        rows.count += 1
        rows.since = min(rows.since, since)
        if len(rows.recipients) < _MAX_NAMED and not keys.is_personal(batch.content_id):
            rows.recipients.append((await self.ledger.rows(batch)).ids[row])


def _failure(cause: _Cause, rows: _Rows) -> Failure:
    plan = cause.plan
    todo = field_error(plan.channel, _remedy_code(cause), value=plan.content_id)
    return Failure(
        content_id=plan.content_id,
        revision=plan.revision,
        channel=plan.channel,
        status=cause.status,
        reason=cause.reason,
        since=utc_time(rows.since),
        count=rows.count,
        recipients=tuple(rows.recipients),
        remedy=todo.message,
        remedy_vi=todo.message_vi,
    )


_REMEDIES = {
    "bounced": "failure_bounced",
    "expired": "failure_expired",
    "maybe_sent": "failure_maybe_sent",
    "unknown": "failure_unknown",
}


def _remedy_code(cause: _Cause) -> str:
    """The text that says what to do; of a refused mail by the code in its reason."""
    is_mail = cause.plan.channel is ChannelName.EMAIL
    if cause.status != "failed":
        by_hand = cause.status == "unknown" and not is_mail
        return "failure_settle" if by_hand else _REMEDIES[cause.status]
    if not is_mail:
        return "failure_channel"
    code = code_in_reason(cause.reason)
    if not code:
        return "failure_given_up"
    return "failure_address" if code.startswith("5.1.") else "failure_refused"
