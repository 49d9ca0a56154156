"""The doors of the bounce listener: reports go onto the bus, wishes to leave to whoever acts."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog

from channels.email import maildrop, manners, reports
from channels.email.reports import Kind, Report
from channels.email.return_path import ReturnPaths, day_of_letter
from channels.errors import Unreachable
from consumers.mail.receipts import Returned
from contracts import keys, subjects
from contracts.crash import crash_point
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError

log = structlog.get_logger()
UNREADABLE = (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""What Python's parser raises for mails that were made to break it."""
ATTEMPT_S, PATIENCE_S = 5.0, 20.0
SEALS_MAX = 8
BURST, RATE_S = 20.0, 0.1
ANSWERS_MAX, LET_GO_S = 20, 3.0
MOUTHS_MAX, REMEMBERED, COPIES_S = 4, 20_000, 3 * 3600.0
_TOKEN = re.compile(r"[A-Za-z0-9._-]{16,300}")


@dataclass
class Allowance:
    """How much may come that anybody could have made up: RATE_S a second, BURST at once."""

    clock: Callable[[], float] = time.monotonic
    left: float = BURST
    at: float = 0.0

    def take(self) -> bool:
        now = self.clock()
        self.left = min(self.left + (now - self.at) * RATE_S, BURST)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass
class Mouths:
    """About which addresses there were reports lately, by what they lead to: MOUTHS_MAX each.

    A report about somebody else, to whom the mail was sent on, must not hide the one about its
    reader; but whoever has got a mail could name new addresses for ever.
    """

    clock: Callable[[], float] = time.monotonic
    heard: OrderedDict[str, dict[str, float]] = field(default_factory=OrderedDict)

    def takes(self, told: str, about: str) -> bool:
        """Whether a report of this address may still be stored; a repeat is no other address."""
        now = self.clock()
        lately = {one: at for one, at in self.heard.pop(told, {}).items() if at > now - COPIES_S}
        self.heard[told] = lately
        if len(self.heard) > REMEMBERED:
            self.heard.popitem(last=False)
        if about not in lately and len(lately) >= MOUTHS_MAX:
            return False
        lately.setdefault(about, now)
        return True


@dataclass
class BounceDoor:
    """Return paths, and the box for reports without one. *seal*: the MAC of an address."""

    bus: Bus
    paths: ReturnPaths
    seal: Callable[[str], str]
    allowance: Allowance = field(default_factory=Allowance)
    mouths: Mouths = field(default_factory=Mouths)

    def takes(self, recipient: str) -> bool:
        return self.paths.is_box(recipient) or self.paths.place(recipient) is not None

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        """Returns once the bus has the facts on its disk, or there are none."""
        try:
            report = reports.read(mail, sender)
        except UNREADABLE as broken:
            log.warning("report_unreadable", error=type(broken).__name__, size=len(mail))
            return
        place = self.place(recipient, report)
        named = place or (report.message_id if report.publication else "")
        if report.kind is Kind.NOTHING or not named:
            log.info("mail_back_ignored", kind=report.kind.value)
            return
        if not place and not self.allowance.take():
            raise Unreachable("too many reports without a place")
        receipt, told = self.receipt(place, report), f"{named}.{report.kind}"
        about = keys.digest("report", receipt.final, *receipt.seals)[:16]
        if not self.mouths.takes(told, about):
            log.warning("report_of_too_many", kind=report.kind.value)
            return
        await self.store(receipt, report.kind, f"{told}.{about}")

    def place(self, recipient: str, report: Report) -> str:
        """Where it leads back to, by what can't be forged: path, envelope id, quoted path."""
        return (
            self.paths.place(recipient)
            or self.paths.place_of_envelope(report.envelope_id)
            or self.paths.place(report.return_path)
            or ""
        )

    def receipt(self, place: str, report: Report) -> Returned:
        return Returned(
            returned=report.kind.value,
            at=datetime.now(UTC),
            place=place,
            message_id="" if place else report.message_id,
            publication="" if place else report.publication,
            code=report.code,
            guessed=report.guessed,
            final=self.seal(report.final) if report.final else "",
            seals=tuple(dict.fromkeys(map(self.seal, self.named(place, report)))),
        )

    def named(self, place: str, report: Report) -> Sequence[str]:
        """The addresses of the report that count; of a letter only that to which it went."""
        if day_of_letter(place) is None:
            return report.addresses[:SEALS_MAX]
        return [one for one in report.addresses if self.paths.is_letter_to(place, one)][:1]

    async def store(self, receipt: Returned, kind: Kind, copy: str) -> None:
        """*copy*: the same for all that is told of a mail and an address within hours: the first
        word counts. So nobody can fill the stream who has got a mail, and knows its return path.

        Raises Unreachable.
        """
        body = receipt.model_dump_json(exclude_defaults=True).encode()
        subject = subjects.receipt(ChannelName.EMAIL, kind.value)
        try:
            await self.bus.publish(
                subject, body, msg_id=copy, timeout_s=ATTEMPT_S, patience_s=PATIENCE_S
            )
        except BusError as away:
            raise Unreachable(type(away).__name__) from away
        crash_point("bounce.stored")


class Leave(Protocol):
    """What an unsubscription by mail does; see `LeaveDoor`."""

    def __call__(self, token: str) -> Awaitable[bool]:
        """Whether *token* is somebody's, who wants nothing more from now on. Idempotent.

        Raises BusError when that can't be stored now.
        """


class Remind(Protocol):
    """What helps somebody on who has written without a token; see `LeaveDoor`."""

    def __call__(self, address: str) -> Awaitable[None]:
        """Send the way to leave to *address* if it is a reader's. Raises BusError."""


@dataclass
class LeaveDoor:
    """The mailto address of List-Unsubscribe: the token stands in the subject.

    Without one nobody is taken off: anybody can write in anybody's name. Whoever seems to have
    written for themselves is sent the way in by *remind*, if they are a reader.
    """

    address: str
    leave: Leave
    remind: Remind | None = None
    answers: set[asyncio.Task[None]] = field(default_factory=set)

    def takes(self, recipient: str) -> bool:
        return recipient.lower() == self.address.lower()

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        words = maildrop.header(mail, "Subject").split()
        token = next((word for word in words if _TOKEN.fullmatch(word)), None)
        try:
            known = token is not None and await self.leave(token)
        except BusError as away:
            raise Unreachable(type(away).__name__) from away
        if not known:
            log.info("unsubscribe_mail_unknown")
            self.answer(sender, recipient, mail)

    def answer(self, sender: str, recipient: str, mail: bytes) -> None:
        """Later: how long a 250 takes must not tell whether its sender is a reader."""
        if self.remind is None or len(self.answers) >= ANSWERS_MAX:
            return
        try:
            whom = manners.writer(mail, sender, recipient)
        except UNREADABLE:
            return
        if whom:
            task = asyncio.create_task(self.help_on(self.remind, whom))
            self.answers.add(task)
            task.add_done_callback(self.answers.discard)

    async def help_on(self, remind: Remind, whom: str) -> None:
        """A bus that is silent costs the answer: nobody was promised one."""
        try:
            await remind(whom)
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))

    async def close(self) -> None:
        """Let the answers under way end."""
        if self.answers:
            await asyncio.wait(list(self.answers), timeout=LET_GO_S)
