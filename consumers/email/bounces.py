"""Handle mail receipts: record each bounce or complaint beside its row, and act on it.

Every step is idempotent: a receipt that was recorded before changes nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from time import time as now_s
from typing import NamedTuple

import structlog
from structlog.contextvars import bound_contextvars

from channels.email import status_codes
from channels.email.return_path import transactional_day
from channels.email.status_codes import CodeClass
from consumers.email.bounce_monitor import BounceMonitor
from consumers.email.bounce_records import BounceRecords
from consumers.email.policy import slow_down
from consumers.email.receipts import MailReceipt, RelayRefusal, ReturnedMail
from consumers.email.row_lookup import AddressedRow, RowLookup
from consumers.suppression.store import BOUNCE_PREFIX, SuppressionStore
from contracts.base.crash_points import crash_point
from contracts.base.retention import DEFAULT
from contracts.delivery import BatchKey, ChannelName
from producers import metrics
from producers.bus import Bus

log = structlog.get_logger()
_EMAIL = ChannelName.EMAIL
_MONTH, _YEAR = timedelta(days=30), timedelta(days=365)
_HARD_SUPPRESSION, _SOFT_SUPPRESSION = DEFAULT.span("failed_addresses"), _MONTH
_MAX_REPORT_AGE = {"bounce": _MONTH, "delay": _MONTH, "complaint": _YEAR}
"""Oldest report that counts, after the mail has left.

Servers give up after five days. An old mail shows its return path for ever, and its finder must not
be able to suppress the recipient.
"""
_UNKNOWN_CODE = "5.0.0"
_MIN_THROTTLE_REPORTS, _THROTTLE_WINDOW_S = 3, 600.0
"""A single recipient can claim throttling at will, so several have to report it."""


class BouncedMail(NamedTuple):
    """One mail that came back, and the keyed hash of its address, empty if there is none.

    `mail_id` names it among those to the address; `row` is None for a transactional mail.
    """

    address_hash: str
    mail_id: str
    row: AddressedRow | None = None


@dataclass
class BounceHandler:
    """Applies receipts. *confirm_sent*: evidence that the relay had a row. Raises BusError.

    *hard_suppression*: how long an address without a mailbox is suppressed, which is as long as its
    hash is kept; a complaint lasts until an operator lifts it.
    """

    bus: Bus
    row_lookup: RowLookup
    suppressions: SuppressionStore
    monitor: BounceMonitor
    confirm_sent: Callable[[BatchKey, int], Awaitable[None]]
    clock: Callable[[], float] = now_s
    hard_suppression: timedelta = _HARD_SUPPRESSION
    throttle_reports: dict[str, float] = field(default_factory=dict)  # address hash → time

    def __post_init__(self) -> None:
        self.records = BounceRecords(self.row_lookup.ledger.bucket)

    async def on_receipt(self, receipt: MailReceipt) -> None:
        if isinstance(receipt, RelayRefusal):
            await self.on_relay_refusal(receipt)
        else:
            await self.on_returned_mail(receipt)

    async def on_relay_refusal(self, receipt: RelayRefusal) -> None:
        """Record the refusals of our own relay, and judge the addresses."""
        batch = BatchKey(_EMAIL, receipt.content_id, receipt.revision, receipt.batch)
        await self.records.record_refusals(batch, receipt.refused, self.clock())
        self.monitor.changed.add(batch.plan)
        for number, code in receipt.refused.items():
            row = await self.row_lookup.load_row(batch, number)
            if row is None:
                continue
            if row.address_since and row.address_since > receipt.at:
                row = row._replace(address="")  # perhaps another one was refused: none is named
            with bound_contextvars(content_id=batch.content_id, channel=_EMAIL.value):
                meaning = status_codes.classify_bounce(code)
                _count("refusal", meaning)
                await self.apply_meaning(self.bounced_mail(row), meaning, code, receipt.at)

    async def on_returned_mail(self, receipt: ReturnedMail) -> None:
        if sent_on := transactional_day(receipt.place):
            if not _is_late(receipt, datetime.combine(sent_on, time.min, UTC)):
                await self.on_returned_transactional(receipt)
            return
        row = await self.row_lookup.find(receipt)
        if row is None:
            log.warning("receipt_unmatched", channel=_EMAIL.value)
        elif not _is_late(receipt, row.closed_at):
            with bound_contextvars(content_id=row.batch.content_id, channel=_EMAIL.value):
                await self.apply_report(self.bounced_mail(row), receipt)

    async def on_returned_transactional(self, receipt: ReturnedMail) -> None:
        """Handle a returned transactional mail: only its address is left, no row."""
        if len(receipt.seals) == 1:  # the mailbox keeps only the hash of the mail's own address
            await self.apply_report(BouncedMail(receipt.seals[0], receipt.place), receipt)
        else:
            log.info("bounce_of_other_address")

    async def apply_report(self, mail: BouncedMail, receipt: ReturnedMail) -> None:
        match receipt.returned:
            case "delay":
                log.info("mail_delayed", code=receipt.code)
                _count("delay")
                if status_codes.is_throttling(receipt.code):
                    await self.report_throttling(mail, receipt.code)
            case "complaint":
                await self.handle_complaint(mail, receipt)
            case "bounce":
                await self.handle_bounce(mail, receipt)

    async def handle_complaint(self, mail: BouncedMail, receipt: ReturnedMail) -> None:
        row, now = mail.row, self.clock()
        if row is None or await self.records.record_complaint(row.batch, row.number, now):
            log.warning("mail_complained")
            _count("complaint")
        if _is_current_address(mail, receipt):
            await self.suppress(mail, "complaint", receipt.at)

    async def handle_bounce(self, mail: BouncedMail, receipt: ReturnedMail) -> None:
        code = receipt.code or _UNKNOWN_CODE
        reported, row, now = status_codes.classify_bounce(code), mail.row, self.clock()
        if row is None or await self.records.record_bounce(row.batch, row.number, code, now):
            log.info("mail_bounced", code=code, meaning=reported.value, guessed=receipt.guessed)
            _count("bounce", reported)
        if row:
            crash_point("bounce.noted")
            self.monitor.changed.add(row.batch.plan)
        meaning = _proven_meaning(reported, mail, receipt)
        is_unreachable = meaning in status_codes.UNREACHABLE_CLASSES
        if not is_unreachable or _is_current_address(mail, receipt):
            await self.apply_meaning(mail, meaning, code, receipt.at)
        if row:
            await self.confirm_sent(row.batch, row.number)

    def bounced_mail(self, row: AddressedRow) -> BouncedMail:
        address_hash = self.suppressions.hash_address(row.address) if row.address else ""
        return BouncedMail(address_hash, f"{row.batch}.{row.number}", row)

    async def apply_meaning(
        self, mail: BouncedMail, meaning: CodeClass, code: str, at: datetime
    ) -> None:
        """Act on the meaning of a status code."""
        match meaning:
            case CodeClass.NO_MAILBOX if mail.address_hash:
                await self.suppress(mail, f"{BOUNCE_PREFIX}{code}", at, self.hard_suppression)
            case CodeClass.MAILBOX_FULL | CodeClass.UNKNOWN_CAUSE if mail.address_hash:
                await self.count_soft_bounce(mail, code, at)
            case CodeClass.THROTTLED:
                await self.report_throttling(mail, code)
            case CodeClass.POLICY:
                # The bounce monitor decides about the channel.
                log.error("mail_refused_by_policy", code=code)
            case CodeClass.CONTENT:
                log.error("mail_content_refused", code=code)
            case CodeClass.PROTOCOL_FAULT:
                log.error("mail_misrouted", code=code)

    async def count_soft_bounce(self, mail: BouncedMail, code: str, at: datetime) -> None:
        """Count a soft bounce; too many of them suppress the address."""
        if await self.suppressions.count_soft_failure(_EMAIL, mail.address_hash, mail.mail_id, at):
            span = min(_SOFT_SUPPRESSION, self.hard_suppression)
            await self.suppress(mail, f"{BOUNCE_PREFIX}{code}", at, span)

    async def suppress(
        self, mail: BouncedMail, reason: str, at: datetime, span: timedelta | None = None
    ) -> None:
        """Suppress the address for *span*; None: until an operator lifts it."""
        until = at + span if span else None
        await self.suppressions.add_hashed(_EMAIL, mail.address_hash, reason, until, at=at)

    async def report_throttling(self, mail: BouncedMail, code: str) -> None:
        """Slow down when several recipients' mails report throttling within the window."""
        now = self.clock()
        reports = self.throttle_reports | {mail.address_hash: now}
        self.throttle_reports = {
            address: at for address, at in reports.items() if at > now - _THROTTLE_WINDOW_S
        }
        if len(self.throttle_reports) >= _MIN_THROTTLE_REPORTS:
            await slow_down(self.bus, code, now)


def _count(kind: str, meaning: str = "none") -> None:
    metrics.MAIL_REPORTS.add(kind, meaning)


def _proven_meaning(reported: CodeClass, mail: BouncedMail, receipt: ReturnedMail) -> CodeClass:
    """Return the meaning of a bounce for our address.

    A report without standard fields is a guess. If a group or a forwarding address was used, the
    report names another final address. Neither proves that our address has no mailbox.
    """
    is_certain = not receipt.guessed and receipt.final in ("", mail.address_hash)
    if reported is CodeClass.NO_MAILBOX and not is_certain:
        return CodeClass.UNKNOWN_CAUSE
    return reported


def _is_current_address(mail: BouncedMail, receipt: ReturnedMail) -> bool:
    """Whether the report names the address that the recipient has now."""
    if mail.address_hash and receipt.seals and mail.address_hash not in receipt.seals:
        log.info("bounce_of_other_address")
        return False
    return bool(mail.address_hash)


def _is_late(receipt: ReturnedMail, sent_at: datetime | None) -> bool:
    """Whether the mail left too long before its report; an open batch has no time yet."""
    if sent_at is None or receipt.at - sent_at <= _MAX_REPORT_AGE[receipt.returned]:
        return False
    log.info("receipt_late", returned=receipt.returned)
    return True
