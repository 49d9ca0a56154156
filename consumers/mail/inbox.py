"""The doors of the bounce listener: reports go onto the bus, wishes to leave to whoever acts."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog

from channels.email import maildrop, reports
from channels.email.reports import Kind, Report
from channels.email.return_path import ReturnPaths
from channels.errors import Unreachable
from consumers.mail.receipts import Returned
from contracts import subjects
from contracts.crash import crash_point
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError

log = structlog.get_logger()
UNREADABLE = (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""What Python's parser raises for mails that were made to break it."""
ATTEMPT_S, PATIENCE_S = 5.0, 20.0
SEALS_MAX = 8
BURST, RATE_S = 20.0, 0.1
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
class BounceDoor:
    """Return paths, and the box for reports without one. *seal*: the MAC of an address."""

    bus: Bus
    paths: ReturnPaths
    seal: Callable[[str], str]
    allowance: Allowance = field(default_factory=Allowance)

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
        await self.store(self.receipt(place, report), report.kind, f"{named}.{report.kind}")

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
            seals=tuple(dict.fromkeys(map(self.seal, report.addresses[:SEALS_MAX]))),
        )

    async def store(self, receipt: Returned, kind: Kind, copy: str) -> None:
        """*copy*: the same for all that is told of a mail within hours: the first word counts.

        So nobody can fill the stream who has got a mail, and knows its return path. Raises
        Unreachable.
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


@dataclass
class LeaveDoor:
    """The mailto address of List-Unsubscribe: the token stands in the subject."""

    address: str
    leave: Leave

    def takes(self, recipient: str) -> bool:
        return recipient.lower() == self.address.lower()

    async def deliver(self, _sender: str, _recipient: str, mail: bytes) -> None:
        words = maildrop.header(mail, "Subject").split()
        token = next((word for word in words if _TOKEN.fullmatch(word)), None)
        try:
            known = token is not None and await self.leave(token)
        except BusError as away:
            raise Unreachable(type(away).__name__) from away
        if not known:
            log.info("unsubscribe_mail_unknown")
