"""Handle mail receipts: record each bounce or complaint beside its row, and act on it.

Every step is idempotent: a receipt that was recorded before changes nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
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
from consumers.email.row_lookup import MAX_REPORT_AGE, AddressedRow, ReportTooLate, RowLookup
from consumers.suppression.store import BOUNCE_PREFIX, SuppressionStore
from contracts.base.crash_points import crash_point
from contracts.delivery import BatchKey, ChannelName
from producers.bus import Bus

log = structlog.get_logger()
_EMAIL = ChannelName.EMAIL
HARD_SUPPRESSION, _SOFT_SUPPRESSION = timedelta(days=365), timedelta(days=30)
"""How long an address is suppressed; a complaint lasts until an operator lifts it."""
_COMPLAINT_REASON = "complaint"
_UNKNOWN_CODE = "5.0.0"
_MIN_THROTTLE_REPORTS, _THROTTLE_WINDOW_S = 3, 600.0
"""A single recipient can claim throttling at will, so several have to report it."""


class BouncedAddress(NamedTuple):
    """The keyed hash of an address, empty if there is none; `mail_id` names one mail to it."""

    address_hash: str
    mail_id: str


@dataclass
class BounceHandler:
    """Applies receipts. *confirm_sent*: evidence that the relay had a row. Raises BusError."""

    bus: Bus
    row_lookup: RowLookup
    suppressions: SuppressionStore
    monitor: BounceMonitor
    confirm_sent: Callable[[BatchKey, int], Awaitable[None]]
    clock: Callable[[], float] = now_s
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
            with bound_contextvars(content_id=batch.content_id, channel=_EMAIL.value):
                if row:
                    target = self.bounced_address(_without_changed_address(row, receipt.at))
                    meaning = status_codes.classify_bounce(code)
                    await self.apply_meaning(target, meaning, code, receipt.at)

    async def on_returned_mail(self, receipt: ReturnedMail) -> None:
        if sent_on := transactional_day(receipt.place):
            await self.on_returned_transactional(sent_on, receipt)
            return
        try:
            row = await self.row_lookup.find(receipt)
        except ReportTooLate:
            log.info("receipt_late", returned=receipt.returned)
            return
        if row is None:
            log.warning("receipt_unmatched", channel=_EMAIL.value)
            return
        with bound_contextvars(content_id=row.batch.content_id, channel=_EMAIL.value):
            await self.on_returned_row(row, receipt)

    async def on_returned_transactional(self, sent_on: date, receipt: ReturnedMail) -> None:
        """Handle a returned transactional mail: only its address is left, no row."""
        if receipt.at - datetime.combine(sent_on, time.min, UTC) > MAX_REPORT_AGE[receipt.returned]:
            log.info("receipt_late", returned=receipt.returned)
            return
        if len(receipt.seals) != 1:  # the mailbox keeps only the hash of the mail's own address
            log.info("bounce_of_other_address")
            return
        target = BouncedAddress(receipt.seals[0], receipt.place)
        match receipt.returned:
            case "delay":
                await self.handle_delay(target, receipt)
            case "complaint":
                log.warning("mail_complained")
                await self.suppress(target, _COMPLAINT_REASON, receipt.at)
            case "bounce":
                code, meaning = _bounce_meaning(target, receipt)
                _log_bounce(code, receipt)
                await self.apply_meaning(target, meaning, code, receipt.at)

    async def on_returned_row(self, row: AddressedRow, receipt: ReturnedMail) -> None:
        target = self.bounced_address(row)
        match receipt.returned:
            case "delay":
                await self.handle_delay(target, receipt)
            case "complaint":
                if await self.records.record_complaint(row.batch, row.number, self.clock()):
                    log.warning("mail_complained")
                if _is_current_address(target, receipt):
                    await self.suppress(target, _COMPLAINT_REASON, receipt.at)
            case "bounce":
                await self.handle_bounce(row, target, receipt)

    async def handle_delay(self, target: BouncedAddress, receipt: ReturnedMail) -> None:
        log.info("mail_delayed", code=receipt.code)
        if status_codes.is_throttling(receipt.code):
            await self.report_throttling(target, receipt.code)

    async def handle_bounce(
        self, row: AddressedRow, target: BouncedAddress, receipt: ReturnedMail
    ) -> None:
        code, meaning = _bounce_meaning(target, receipt)
        if await self.records.record_bounce(row.batch, row.number, code, self.clock()):
            _log_bounce(code, receipt)
        crash_point("bounce.noted")
        self.monitor.changed.add(row.batch.plan)
        is_unreachable = meaning in status_codes.UNREACHABLE_CLASSES
        if not is_unreachable or _is_current_address(target, receipt):
            await self.apply_meaning(target, meaning, code, receipt.at)
        await self.confirm_sent(row.batch, row.number)

    def bounced_address(self, row: AddressedRow) -> BouncedAddress:
        address_hash = self.suppressions.hash_address(row.address) if row.address else ""
        return BouncedAddress(address_hash, f"{row.batch}.{row.number}")

    async def apply_meaning(
        self, target: BouncedAddress, meaning: CodeClass, code: str, at: datetime
    ) -> None:
        """Act on the meaning of a status code."""
        match meaning:
            case CodeClass.NO_MAILBOX if target.address_hash:
                await self.suppress(target, bounce_reason(code), at, HARD_SUPPRESSION)
            case CodeClass.MAILBOX_FULL | CodeClass.UNKNOWN_CAUSE if target.address_hash:
                await self.count_soft_bounce(target, code, at)
            case CodeClass.THROTTLED:
                await self.report_throttling(target, code)
            case CodeClass.POLICY:
                # The bounce monitor decides about the channel.
                log.error("mail_refused_by_policy", code=code)
            case CodeClass.CONTENT:
                log.error("mail_content_refused", code=code)
            case CodeClass.PROTOCOL_FAULT:
                log.error("mail_misrouted", code=code)

    async def count_soft_bounce(self, target: BouncedAddress, code: str, at: datetime) -> None:
        """Count a soft bounce; too many of them suppress the address."""
        if await self.suppressions.count_soft_failure(_EMAIL, *target, at):
            await self.suppress(target, bounce_reason(code), at, _SOFT_SUPPRESSION)

    async def suppress(
        self, target: BouncedAddress, reason: str, at: datetime, span: timedelta | None = None
    ) -> None:
        """Suppress the address for *span*; None: until an operator lifts it."""
        until = at + span if span else None
        await self.suppressions.add_hashed(_EMAIL, target.address_hash, reason, until, at=at)

    async def report_throttling(self, target: BouncedAddress, code: str) -> None:
        """Slow down when several recipients' mails report throttling within the window."""
        now = self.clock()
        reports = self.throttle_reports | {target.address_hash: now}
        self.throttle_reports = {
            address: at for address, at in reports.items() if at > now - _THROTTLE_WINDOW_S
        }
        if len(self.throttle_reports) >= _MIN_THROTTLE_REPORTS:
            await slow_down(self.bus, code, now)


def _bounce_meaning(target: BouncedAddress, receipt: ReturnedMail) -> tuple[str, CodeClass]:
    """Return the code of a bounce and its meaning.

    A report without standard fields is a guess. If a group or a forwarding address was used, the
    report names another final address. Neither proves that our address has no mailbox.
    """
    code = receipt.code or _UNKNOWN_CODE
    meaning = status_codes.classify_bounce(code)
    is_certain = not receipt.guessed and receipt.final in ("", target.address_hash)
    if meaning is CodeClass.NO_MAILBOX and not is_certain:
        meaning = CodeClass.UNKNOWN_CAUSE
    return code, meaning


def _log_bounce(code: str, receipt: ReturnedMail) -> None:
    meaning = status_codes.classify_bounce(code).value
    log.info("mail_bounced", code=code, meaning=meaning, guessed=receipt.guessed)


def _is_current_address(target: BouncedAddress, receipt: ReturnedMail) -> bool:
    """Whether the report names the address that the recipient has now."""
    if target.address_hash and receipt.seals and target.address_hash not in receipt.seals:
        log.info("bounce_of_other_address")
        return False
    return bool(target.address_hash)


def _without_changed_address(row: AddressedRow, at: datetime) -> AddressedRow:
    """Drop an address that may have changed since *at*: the relay's answer names none."""
    return row._replace(address="") if row.address_since and row.address_since > at else row


def bounce_reason(code: str) -> str:
    return f"{BOUNCE_PREFIX}{code}"
