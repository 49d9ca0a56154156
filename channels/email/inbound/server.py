"""SMTP server for mail that returns to us.

Recipients are checked at RCPT, so that foreign mail is refused while its sender is connected. A
mail is stored before its 250, or refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from channels.email.errors import CommandRefused
from channels.email.smtp_server import ServerLimits, SmtpServer
from channels.errors import Unreachable

log = structlog.get_logger()
LIMITS = ServerLimits(
    mail_bytes=10 * 1024 * 1024,
    stored_bytes=512 * 1024,  # a report precedes the mail that it returns
    command_bytes=64 * 1024,
    line_bytes=64 * 1024,
    path_bytes=320,
    recipients=20,
    sessions=50,
    sessions_per_address=25,
    errors=10,
    idle_commands=100,  # thousands in one packet would hold up everything else
    command_timeout_s=60.0,
    mail_timeout_s=180.0,
    session_timeout_s=600.0,
)


class MailHandler(Protocol):
    """Handler of the mail to some addresses."""

    def accepts(self, recipient: str) -> bool:
        """Whether mail for *recipient* belongs here."""

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        """Return once 250 is safe. Raises Unreachable: the sender has to try again."""


@dataclass
class InboundStore:
    """The first of *handlers* that accepts a recipient gets the mail."""

    handlers: Sequence[MailHandler]

    def accepts(self, recipient: str) -> bool:
        if self.handler_for(recipient) is None:
            log.info("bounce_refused")
            return False
        return True

    async def deliver(self, sender: str, recipients: list[str], mail: bytes) -> str:
        try:
            for recipient in recipients:
                if handler := self.handler_for(recipient):
                    await handler.deliver(sender, recipient, mail)
        except Unreachable as error:
            log.warning("bounce_not_stored", reason=error.reason)
            raise CommandRefused("451 4.3.0 Try again later") from error
        return ""

    def broken_reply(self, _error: Exception) -> str:
        log.info("bounce_connection_lost")
        return ""

    def handler_for(self, recipient: str) -> MailHandler | None:
        return next((handler for handler in self.handlers if handler.accepts(recipient)), None)


def inbound_server(handlers: Sequence[MailHandler]) -> SmtpServer:
    return SmtpServer(InboundStore(handlers), LIMITS)
