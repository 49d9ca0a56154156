"""Mailboxes of the inbound SMTP server: one for bounce reports, one for unsubscribe mail."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

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

log = structlog.get_logger()
PARSER_ERRORS = (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""What Python's parser raises for mails that were made to break it."""
PUBLISH_TIMEOUT_S, PUBLISH_PATIENCE_S = 5.0, 20.0
MAX_ADDRESSES = 8
BURST_REPORTS, REPORTS_PER_S = 20.0, 0.1
MAX_PENDING_ANSWERS, CLOSE_TIMEOUT_S = 20, 3.0
MAX_REPORTERS, MAX_TRACKED_ROWS, REPORTER_TTL_S = 4, 20_000, 3 * 3600.0
_TOKEN = re.compile(r"[A-Za-z0-9._-]{16,300}")


@dataclass
class TokenBucket:
    """How much may come that anybody could have made up: RATE_S a second, BURST at once."""

    clock: Callable[[], float] = time.monotonic
    tokens: float = BURST_REPORTS
    refilled_at: float = 0.0

    def take(self) -> bool:
        now = self.clock()
        self.tokens = min(self.tokens + (now - self.refilled_at) * REPORTS_PER_S, BURST_REPORTS)
        self.refilled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass
class ReportersPerRow:
    """About which addresses there were reports lately, by what they lead to: MOUTHS_MAX each.

    A report about somebody else, to whom the mail was sent on, must not hide the one about its
    reader; but whoever has got a mail could name new addresses for ever.
    """

    clock: Callable[[], float] = time.monotonic
    reporters: OrderedDict[str, dict[str, float]] = field(default_factory=OrderedDict)

    def admits(self, row: str, reporter: str) -> bool:
        """Whether a report of this address may still be stored; a repeat is no other address."""
        now = self.clock()
        lately = {
            one: at for one, at in self.reporters.pop(row, {}).items() if at > now - REPORTER_TTL_S
        }
        self.reporters[row] = lately
        if len(self.reporters) > MAX_TRACKED_ROWS:
            self.reporters.popitem(last=False)
        if reporter not in lately and len(lately) >= MAX_REPORTERS:
            return False
        lately.setdefault(reporter, now)
        return True


@dataclass
class BounceMailbox:
    """Return paths, and the box for reports without one. *seal*: the MAC of an address."""

    bus: Bus
    paths: ReturnPaths
    hash_address: Callable[[str], str]
    rate_limit: TokenBucket = field(default_factory=TokenBucket)
    reporters: ReportersPerRow = field(default_factory=ReportersPerRow)

    def accepts(self, recipient: str) -> bool:
        return (
            self.paths.is_reports_address(recipient)
            or self.paths.row_ref_of_address(recipient) is not None
        )

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        """Returns once the bus has the facts on its disk, or there are none."""
        try:
            report = bounce_parser.parse_report(mail, sender)
        except PARSER_ERRORS as broken:
            log.warning("report_unreadable", error=type(broken).__name__, size=len(mail))
            return
        place = self.find_row_ref(recipient, report)
        named = place or (report.message_id if report.publication_key else "")
        if report.kind is ReportKind.NO_REPORT or not named:
            log.info("mail_back_ignored", kind=report.kind.value)
            return
        if not place and not self.rate_limit.take():
            raise Unreachable("too many reports without a place")
        receipt, told = self.build_receipt(place, report), f"{named}.{report.kind}"
        about = keys.digest("report", receipt.final, *receipt.seals)[:16]
        if not self.reporters.admits(told, about):
            log.warning("report_of_too_many", kind=report.kind.value)
            return
        await self.publish(receipt, report.kind, f"{told}.{about}")

    def find_row_ref(self, recipient: str, report: MailReport) -> str:
        """Where it leads back to, by what can't be forged: path, envelope id, quoted path."""
        return (
            self.paths.row_ref_of_address(recipient)
            or self.paths.row_ref_of_envelope_id(report.envelope_id)
            or self.paths.row_ref_of_address(report.return_path)
            or ""
        )

    def build_receipt(self, row_ref: str, report: MailReport) -> ReturnedMail:
        return ReturnedMail(
            returned=report.kind.value,
            at=datetime.now(UTC),
            place=row_ref,
            message_id="" if row_ref else report.message_id,
            publication="" if row_ref else report.publication_key,
            code=report.code,
            guessed=report.guessed,
            final=self.hash_address(report.final_recipient) if report.final_recipient else "",
            seals=tuple(
                dict.fromkeys(map(self.hash_address, self.relevant_addresses(row_ref, report)))
            ),
        )

    def relevant_addresses(self, row_ref: str, report: MailReport) -> Sequence[str]:
        """The addresses of the report that count; of a letter only that to which it went."""
        if transactional_day(row_ref) is None:
            return report.addresses[:MAX_ADDRESSES]
        return [one for one in report.addresses if self.paths.is_transactional_to(row_ref, one)][:1]

    async def publish(self, receipt: ReturnedMail, kind: ReportKind, message_id: str) -> None:
        """*copy*: the same for all that is told of a mail and an address within hours: the first
        word counts. So nobody can fill the stream who has got a mail, and knows its return path.

        Raises Unreachable.
        """
        body = receipt.model_dump_json(exclude_defaults=True).encode()
        subject = subjects.receipt(ChannelName.EMAIL, kind.value)
        try:
            await self.bus.publish(
                subject,
                body,
                msg_id=message_id,
                timeout_s=PUBLISH_TIMEOUT_S,
                patience_s=PUBLISH_PATIENCE_S,
            )
        except BusError as away:
            raise Unreachable(type(away).__name__) from away
        crash_point("bounce.stored")


class UnsubscribeByToken(Protocol):
    """What an unsubscription by mail does; see `LeaveDoor`."""

    def __call__(self, token: str) -> Awaitable[bool]:
        """Whether *token* is somebody's, who wants nothing more from now on. Idempotent.

        Raises BusError when that can't be stored now.
        """


class SendReminder(Protocol):
    """What helps somebody on who has written without a token; see `LeaveDoor`."""

    def __call__(self, address: str) -> Awaitable[None]:
        """Send the way to leave to *address* if it is a reader's. Raises BusError."""


@dataclass
class UnsubscribeMailbox:
    """The mailto address of List-Unsubscribe: the token stands in the subject.

    Without one nobody is taken off: anybody can write in anybody's name. Whoever seems to have
    written for themselves is sent the way in by *remind*, if they are a reader.
    """

    address: str
    unsubscribe: UnsubscribeByToken
    send_reminder: SendReminder | None = None
    answer_tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accepts(self, recipient: str) -> bool:
        return recipient.lower() == self.address.lower()

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        words = parsing.header_text(mail, "Subject").split()
        token = next((word for word in words if _TOKEN.fullmatch(word)), None)
        try:
            known = token is not None and await self.unsubscribe(token)
        except BusError as away:
            raise Unreachable(type(away).__name__) from away
        if not known:
            log.info("unsubscribe_mail_unknown")
            self.schedule_answer(sender, recipient, mail)

    def schedule_answer(self, sender: str, recipient: str, mail: bytes) -> None:
        """Later: how long a 250 takes must not tell whether its sender is a reader."""
        if self.send_reminder is None or len(self.answer_tasks) >= MAX_PENDING_ANSWERS:
            return
        try:
            whom = autoreply.autoreply_address(mail, sender, recipient)
        except PARSER_ERRORS:
            return
        if whom:
            task = asyncio.create_task(self.answer_or_log(self.send_reminder, whom))
            self.answer_tasks.add(task)
            task.add_done_callback(self.answer_tasks.discard)

    async def answer_or_log(self, send_reminder: SendReminder, address: str) -> None:
        """A bus that is silent costs the answer: nobody was promised one."""
        try:
            await send_reminder(address)
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))

    async def close(self) -> None:
        """Let the answers under way end."""
        if self.answer_tasks:
            await asyncio.wait(list(self.answer_tasks), timeout=CLOSE_TIMEOUT_S)
