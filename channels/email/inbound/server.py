"""SMTP server for mail that returns to us; it sends no mail.

Recipients are checked at RCPT, so that foreign mail is refused while its sender is connected. A
mail is stored before its 250, or refused.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from channels.errors import Unreachable

log = structlog.get_logger()
LINE_MAX = 64 * 1024
MAIL_MAX = 10 * 1024 * 1024
STORED_MAX = 512 * 1024
"""Bytes read of a mail; a report precedes the mail that it returns."""
COMMAND_TIMEOUT_S, MAIL_TIMEOUT_S, SESSION_TIMEOUT_S = 60.0, 180.0, 600.0
SESSIONS_MAX = 50
RECIPIENTS_MAX = 20
ERRORS_MAX = 10
_PATH = re.compile(rb"(?:FROM|TO):\s*<([^<>\s]{0,320})>", re.IGNORECASE)
_HELLO = f"250-loa\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {MAIL_MAX}"


class MailHandler(Protocol):
    """Handler of the mail to some addresses."""

    def accepts(self, recipient: str) -> bool:
        """Whether mail for *recipient* belongs here."""

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        """Return once 250 is safe. Raises Unreachable: the sender has to try again."""


class CommandRefused(Exception):
    """Negative reply to a command; the message is the reply."""


class SessionEnded(Exception):
    """End of the session; the message is the last reply."""


@dataclass
class InboundServer:
    """Listens on one address; the first of *handlers* that accepts a recipient gets the mail."""

    handlers: Sequence[MailHandler]
    sessions: set[asyncio.Task[None]] = field(default_factory=set)
    server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Start to listen; return the port. Raises OSError if it is taken."""
        self.server = await asyncio.start_server(self.serve_client, host, port, limit=LINE_MAX)
        return int(self.server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end the sessions; senders repeat mails without a 250."""
        if self.server is None:
            return
        self.server.close()
        for conversation in list(self.sessions):
            conversation.cancel()
        if self.sessions:
            await asyncio.wait(list(self.sessions))
        await self.server.wait_closed()

    async def serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in one
        self.sessions.add(task)
        try:
            async with asyncio.timeout(SESSION_TIMEOUT_S):
                await InboundSession(self, reader, writer).run()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.info("bounce_connection_lost")
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self.sessions.discard(task)
            writer.close()

    def handler_for(self, recipient: str) -> MailHandler | None:
        return next((one for one in self.handlers if one.accepts(recipient)), None)


class InboundSession:
    """One client, one command after the other."""

    def __init__(
        self, server: InboundServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.error_count = 0
        self.reset_envelope()

    def reset_envelope(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def run(self) -> None:
        if len(self.server.sessions) > SESSIONS_MAX:
            await self.send_reply("421 4.7.0 Too many connections")
            return
        await self.send_reply("220 loa ESMTP")
        try:
            while True:
                await self.handle_command()
        except SessionEnded as over:
            await self.send_reply(str(over))

    async def send_reply(self, text: str) -> None:
        self.writer.write(f"{text}\r\n".encode())
        await self.writer.drain()

    async def handle_command(self) -> None:
        """Read one command and answer. Raises SessionEnded after the last one."""
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            line = await self.reader.readuntil(b"\r\n")
        name = line[:4].upper().decode("ascii", "replace")
        act = getattr(self, f"on_{name.lower()}", None) if name in COMMANDS else None
        try:
            if act is None:
                raise CommandRefused("500 5.5.2 Unknown command")
            await self.send_reply(await act(line))
        except CommandRefused as no:
            self.error_count += 1
            if self.error_count > ERRORS_MAX:
                raise SessionEnded("421 4.7.0 Too many errors") from None
            await self.send_reply(str(no))

    async def on_ehlo(self, _line: bytes) -> str:
        self.reset_envelope()
        return _HELLO

    async def on_helo(self, _line: bytes) -> str:
        self.reset_envelope()
        return "250 loa"

    async def on_mail(self, line: bytes) -> str:
        found = _PATH.search(line)
        if self.sender is not None or not found:
            raise CommandRefused("503 5.5.1 Not now")
        self.sender = found[1].decode("utf-8", "replace")
        return "250 2.1.0 Ok"

    async def on_rcpt(self, line: bytes) -> str:
        found = _PATH.search(line)
        if self.sender is None or not found:
            raise CommandRefused("503 5.5.1 Not now")
        if len(self.recipients) == RECIPIENTS_MAX:
            raise CommandRefused("452 4.5.3 Too many recipients")
        recipient = found[1].decode("utf-8", "replace")
        if self.server.handler_for(recipient) is None:
            log.info("bounce_refused")
            raise CommandRefused("550 5.1.1 No such mailbox")
        self.recipients.append(recipient)
        return "250 2.1.5 Ok"

    async def on_data(self, _line: bytes) -> str:
        if not self.recipients:
            raise CommandRefused("503 5.5.1 Not now")
        await self.send_reply("354 Go")
        async with asyncio.timeout(MAIL_TIMEOUT_S):
            mail = await self.read_body()
        return await self.deliver(mail)

    async def read_body(self) -> bytes:
        """The mail, cut to a maximum; only CRLF.CRLF ends it. Raises SessionEnded."""
        kept, size = bytearray(), 0
        while (line := await self.reader.readuntil(b"\r\n")) != b".\r\n":
            size += len(line)
            if size > MAIL_MAX:
                raise SessionEnded("552 5.3.4 Too much")
            if len(kept) < STORED_MAX:
                kept += line[1:] if line.startswith(b".") else line
        return bytes(kept)

    async def deliver(self, mail: bytes) -> str:
        sender, recipients = self.sender or "", self.recipients
        self.reset_envelope()
        try:
            for recipient in recipients:
                if door := self.server.handler_for(recipient):
                    await door.deliver(sender, recipient, mail)
        except Unreachable as away:
            log.warning("bounce_not_stored", reason=away.reason)
            raise CommandRefused("451 4.3.0 Try again later") from away
        return "250 2.0.0 Ok"

    async def on_rset(self, _line: bytes) -> str:
        self.reset_envelope()
        return "250 2.0.0 Ok"

    async def on_noop(self, _line: bytes) -> str:
        return "250 2.0.0 Ok"

    async def on_quit(self, _line: bytes) -> str:
        raise SessionEnded("221 2.0.0 Bye")


COMMANDS = frozenset({"EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT"})
