"""Mailboxes of the inbound SMTP server: one for bounce reports, one for unsubscribe mail."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import structlog

from channels.email import parsing
from channels.email.inbound import autoreply, bounce_parser
from channels.email.inbound.bounce_parser import MailReport, ReportKind
from channels.email.return_path import ReturnPaths, transactional_day
from channels.errors import Unreachable
from consumers.email.receipts import ReturnedMail
from contracts import keys, subjects
from contracts.base.crash_points import crash_point
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError
from producers.bus.periodic import attempt
from producers.seals import publish_sealed

log = structlog.get_logger()
PARSER_ERRORS = (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""Errors of Python's mail parser on malformed mail."""
PUBLISH_TIMEOUT_S, PUBLISH_PATIENCE_S = 5.0, 20.0
_MAX_ADDRESSES = 8
_BURST_REPORTS, _REPORTS_PER_S = 20.0, 0.1
MAX_PENDING_ANSWERS, _CLOSE_TIMEOUT_S = 20, 3.0
MAX_REPORTERS, MAX_TRACKED_ROWS, REPORTER_TTL_S = 4, 20_000, 3 * 3600.0
_TOKEN = re.compile(r"[A-Za-z0-9._-]{16,300}")


@dataclass
class TokenBucket:
    """Rate limit for reports that could be forged: REPORTS_PER_S, and BURST_REPORTS at once."""

    clock: Callable[[], float] = time.monotonic
    tokens: float = _BURST_REPORTS
    refilled_at: float = 0.0

    def take(self) -> bool:
        now = self.clock()
        self.tokens = min(self.tokens + (now - self.refilled_at) * _REPORTS_PER_S, _BURST_REPORTS)
        self.refilled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass
class ReportersPerRow:
    """Recently reported addresses of each row, at most MAX_REPORTERS.

    Mail may be forwarded, so a report about another address must not hide the recipient's own. The
    limit keeps a recipient from reporting ever new addresses.
    """

    clock: Callable[[], float] = time.monotonic
    reporters: OrderedDict[str, dict[str, float]] = field(default_factory=OrderedDict)

    def admits(self, row: str, reporter: str) -> bool:
        """Whether a report of this address may be stored; a repeated address counts once."""
        now = self.clock()
        reports = self.reporters.pop(row, {})
        recent = {address: at for address, at in reports.items() if at > now - REPORTER_TTL_S}
        self.reporters[row] = recent
        if len(self.reporters) > MAX_TRACKED_ROWS:
            self.reporters.popitem(last=False)
        if reporter not in recent and len(recent) >= MAX_REPORTERS:
            return False
        recent.setdefault(reporter, now)
        return True


@dataclass
class BounceMailbox:
    """Return paths, and the mailbox for reports without one. *hash_address*: the keyed hash."""

    bus: Bus
    paths: ReturnPaths
    hash_address: Callable[[str], str]
    rate_limit: TokenBucket = field(default_factory=TokenBucket)
    reporters: ReportersPerRow = field(default_factory=ReportersPerRow)

    def accepts(self, recipient: str) -> bool:
        paths = self.paths
        return paths.is_reports_address(recipient) or bool(paths.row_ref_of_address(recipient))

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        """Store a report; return once the bus has it on disk, or if there is nothing to store."""
        try:
            report = bounce_parser.parse_report(mail, sender)
        except PARSER_ERRORS as broken:
            log.warning("report_unreadable", error=type(broken).__name__, size=len(mail))
            return
        row_ref = self.find_row_ref(recipient, report)
        mail_name = row_ref or (report.message_id if report.publication_key else "")
        if report.kind is ReportKind.NO_REPORT or not mail_name:
            log.info("mail_back_ignored", kind=report.kind.value)
            return
        if not row_ref and not self.rate_limit.take():
            raise Unreachable("too many reports without a place")
        receipt, report_name = self.build_receipt(row_ref, report), f"{mail_name}.{report.kind}"
        reporter = keys.digest("report", receipt.final, *receipt.seals)[:16]
        if not self.reporters.admits(report_name, reporter):
            log.warning("report_of_too_many", kind=report.kind.value)
            return
        await self.publish(receipt, report.kind, f"{report_name}.{reporter}")

    def find_row_ref(self, recipient: str, report: MailReport) -> str:
        """Find the row by unforgeable data: path, envelope id or quoted path."""
        return (
            self.paths.row_ref_of_address(recipient)
            or self.paths.row_ref_of_envelope_id(report.envelope_id)
            or self.paths.row_ref_of_address(report.return_path)
            or ""
        )

    def build_receipt(self, row_ref: str, report: MailReport) -> ReturnedMail:
        addresses = self.relevant_addresses(row_ref, report)
        return ReturnedMail(
            returned=report.kind.value,
            at=datetime.now(UTC),
            place=row_ref,
            message_id="" if row_ref else report.message_id,
            publication="" if row_ref else report.publication_key,
            code=report.code,
            guessed=report.guessed,
            final=self.hash_address(report.final_recipient) if report.final_recipient else "",
            seals=tuple(dict.fromkeys(map(self.hash_address, addresses))),
        )

    def relevant_addresses(self, row_ref: str, report: MailReport) -> Sequence[str]:
        """Return the reported addresses; of a transactional mail only its own."""
        if transactional_day(row_ref) is None:
            return report.addresses[:_MAX_ADDRESSES]
        is_own = partial(self.paths.is_transactional_to, row_ref)
        return list(filter(is_own, report.addresses))[:1]

    async def publish(self, receipt: ReturnedMail, kind: ReportKind, message_id: str) -> None:
        """Publish a receipt. Raises Unreachable.

        *message_id* is the same for all reports about a mail and an address within hours, and the
        first one counts. So a recipient who knows the return path can't fill the stream.
        """
        try:
            await publish_sealed(
                self.bus,
                subjects.receipt(ChannelName.EMAIL, kind.value),
                receipt.model_dump_json(exclude_defaults=True).encode(),
                message_id,
                timeout_s=PUBLISH_TIMEOUT_S,
                patience_s=PUBLISH_PATIENCE_S,
            )
        except BusError as error:
            raise Unreachable(type(error).__name__) from error
        crash_point("bounce.stored")


@dataclass
class UnsubscribeMailbox:
    """The mailto address of List-Unsubscribe; the token is in the subject.

    *unsubscribe* ends the subscription of a token, and returns False for a forged one. Without a
    token no subscription ends, because the sender may be forged: *send_reminder* sends a sender who
    seems genuine an access link. Both raise BusError when the bus is silent.
    """

    address: str
    unsubscribe: Callable[[str], Awaitable[bool]]
    send_reminder: Callable[[str], Awaitable[None]] | None = None
    answer_tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accepts(self, recipient: str) -> bool:
        return recipient.lower() == self.address.lower()

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        words = parsing.header_text(mail, "Subject").split()
        token = next(filter(_TOKEN.fullmatch, words), None)
        try:
            is_known = token is not None and await self.unsubscribe(token)
        except BusError as error:
            raise Unreachable(type(error).__name__) from error
        if not is_known:
            log.info("unsubscribe_mail_unknown")
            self.schedule_answer(sender, recipient, mail)

    def schedule_answer(self, sender: str, recipient: str, mail: bytes) -> None:
        """Answer in a task, so that the time of the 250 does not reveal a subscriber."""
        if self.send_reminder is None or len(self.answer_tasks) >= MAX_PENDING_ANSWERS:
            return
        try:
            address = autoreply.autoreply_address(mail, sender, recipient)
        except PARSER_ERRORS:
            return
        if address:
            task = asyncio.create_task(attempt(partial(self.send_reminder, address)))
            self.answer_tasks.add(task)
            task.add_done_callback(self.answer_tasks.discard)

    async def close(self) -> None:
        """Wait for the pending answers."""
        if self.answer_tasks:
            await asyncio.wait(list(self.answer_tasks), timeout=_CLOSE_TIMEOUT_S)
