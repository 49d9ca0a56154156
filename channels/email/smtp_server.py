"""SMTP server that takes mail and sends none; a store decides which mail is kept."""

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from channels.email.errors import CommandRefused, LineTooLong

_PATH = re.compile(rb"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)
_HELLO = "250-loa\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE"
_CHUNK_BYTES = 64 * 1024
_IDLE_COMMANDS = frozenset({"noop", "rset", "ehlo", "helo", "mail"})


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of one session, and of all at once; None is no time-out."""

    mail_bytes: int
    stored_bytes: int  # of a mail; the rest is read and dropped
    command_bytes: int
    line_bytes: int  # of one line of a mail
    path_bytes: int
    recipients: int
    sessions: int | float = float("inf")
    sessions_per_address: int | float = float("inf")
    errors: int | float = float("inf")
    idle_commands: int | float = float("inf")  # since the last mail, of those that bring none
    command_timeout_s: float | None = None
    mail_timeout_s: float | None = None
    session_timeout_s: float | None = None


class MailStore(Protocol):
    """Where the mail goes."""

    def accepts(self, recipient: str) -> bool:
        """Whether *recipient* has a mailbox here."""

    async def deliver(self, sender: str, recipients: list[str], mail: bytes) -> str:
        """Store a mail; return what follows `Ok` in the reply. Raises CommandRefused."""

    def broken_reply(self, error: Exception) -> str:
        """Last reply of a session that *error* ends; empty for none."""


class _SessionEnded(Exception):
    """End of the session; the message is the last reply."""


class SmtpServer:
    """Listens on one address and hands mail to *store*."""

    def __init__(self, store: MailStore, limits: ServerLimits) -> None:
        self.store = store
        self.limits = limits
        self.sessions: set[asyncio.Task[None]] = set()
        self.sessions_of = Counter[str]()
        self.server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Start to listen; return the port. Raises OSError if it is taken."""
        self.server = await asyncio.start_server(self.serve_client, host, port)
        return int(self.server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end the sessions; senders repeat mails without a 250."""
        if self.server is None:
            return
        self.server.close()
        for session in list(self.sessions):
            session.cancel()
        if self.sessions:
            await asyncio.wait(list(self.sessions))
        await self.server.wait_closed()

    async def serve_client(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in one
        address = str((writer.get_extra_info("peername") or ("?",))[0])
        self.sessions.add(task)
        self.sessions_of[address] += 1
        session = SmtpSession(self, reader, writer, self.is_crowded(address))
        try:
            async with asyncio.timeout(self.limits.session_timeout_s):
                await session.run()
        except (TimeoutError, OSError, EOFError, LineTooLong) as error:
            writer.write(bytes(session.replies) + self.store.broken_reply(error).encode())
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self.sessions.discard(task)
            self.sessions_of -= Counter([address])
            writer.close()

    def is_crowded(self, address: str) -> bool:
        """Whether there are too many sessions, all together or of one *address*."""
        many = self.sessions_of[address] > self.limits.sessions_per_address
        return many or len(self.sessions) > self.limits.sessions


class SmtpSession:
    """One client: a method per command; those that arrive together are answered in one write."""

    def __init__(
        self, server: SmtpServer, reader: StreamReader, writer: StreamWriter, is_refused: bool
    ) -> None:
        self.reader, self.writer, self.is_refused = reader, writer, is_refused
        self.store, self.limits = server.store, server.limits
        self.buffer, self.replies = bytearray(), bytearray()
        self.error_count = self.idle_count = 0
        self.reset_envelope()

    def reset_envelope(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def run(self) -> None:
        if self.is_refused:
            self.send_reply("421 4.7.0 Too many connections")
        else:
            self.send_reply("220 loa ESMTP")
            try:
                while True:
                    await self.handle_command()
            except _SessionEnded as end:
                self.send_reply(str(end))
        await self.flush()

    def send_reply(self, text: str) -> None:
        self.replies += f"{text}\r\n".encode()

    async def flush(self) -> None:
        self.writer.write(bytes(self.replies))
        self.replies.clear()
        await self.writer.drain()

    async def read_line(self, most: int) -> bytes:
        """Read one line without its CRLF, the only end of a line. Raises LineTooLong, EOFError."""
        searched = 0
        while (end := self.buffer.find(b"\r\n", searched)) < 0:
            searched = max(0, len(self.buffer) - 1)
            if searched >= most:
                raise LineTooLong
            await self.flush()
            if not (data := await self.reader.read(_CHUNK_BYTES)):
                raise EOFError
            self.buffer += data
        if end > most:
            raise LineTooLong
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        return line

    async def handle_command(self) -> None:
        """Read one command and answer. Raises _SessionEnded after the last."""
        async with asyncio.timeout(self.limits.command_timeout_s):
            line = await self.read_line(self.limits.command_bytes)
        name = line[:4].lower().decode("ascii", "replace")
        on_command = getattr(self, f"on_{name}", None)
        self.idle_count += name in _IDLE_COMMANDS
        if self.idle_count > self.limits.idle_commands:
            raise _SessionEnded("421 4.7.0 Too many commands")
        try:
            if on_command is None:
                raise CommandRefused("500 5.5.2 Unknown command")
            self.send_reply(await on_command(line))
        except CommandRefused as refusal:
            self.error_count += 1
            if self.error_count > self.limits.errors:
                raise _SessionEnded("421 4.7.0 Too many errors") from None
            self.send_reply(str(refusal))

    async def on_ehlo(self, _line: bytes) -> str:
        self.reset_envelope()
        return f"{_HELLO} {self.limits.mail_bytes}"

    async def on_helo(self, _line: bytes) -> str:
        self.reset_envelope()
        return "250 loa"

    async def on_mail(self, line: bytes) -> str:
        self.sender = self.path_in(line, allowed=self.sender is None)
        return "250 2.1.0 Ok"

    async def on_rcpt(self, line: bytes) -> str:
        recipient = self.path_in(line, allowed=self.sender is not None)
        if len(self.recipients) == self.limits.recipients:
            raise CommandRefused("452 4.5.3 Too many recipients")
        if not self.store.accepts(recipient):
            raise CommandRefused("550 5.1.1 No such mailbox")
        self.recipients.append(recipient)
        return "250 2.1.5 Ok"

    def path_in(self, line: bytes, allowed: bool) -> str:
        """The address of MAIL or RCPT, if the command is *allowed* now. Raises CommandRefused."""
        match = _PATH.search(line)
        if not allowed or not match or len(match[1]) > self.limits.path_bytes:
            raise CommandRefused("503 5.5.1 Not now")
        return match[1].decode("utf-8", "replace")

    async def on_data(self, _line: bytes) -> str:
        if not self.recipients:
            raise CommandRefused("503 5.5.1 Not now")
        self.send_reply("354 Go")
        async with asyncio.timeout(self.limits.mail_timeout_s):
            mail = await self.read_body()
        sender, recipients, self.idle_count = self.sender or "", self.recipients, 0
        self.reset_envelope()
        return f"250 2.0.0 Ok{await self.store.deliver(sender, recipients, mail)}"

    async def read_body(self) -> bytes:
        """The mail, cut to a maximum; only CRLF.CRLF ends it. Raises _SessionEnded."""
        kept, size = bytearray(), 0
        while (line := await self.read_line(self.limits.line_bytes)) != b".":
            size += len(line) + 2
            if size > self.limits.mail_bytes:
                raise _SessionEnded("552 5.3.4 Too much")
            if len(kept) < self.limits.stored_bytes:
                kept += line.removeprefix(b".") + b"\r\n"
        return bytes(kept)

    async def on_rset(self, _line: bytes) -> str:
        self.reset_envelope()
        return "250 2.0.0 Ok"

    async def on_noop(self, _line: bytes) -> str:
        return "250 2.0.0 Ok"

    async def on_quit(self, _line: bytes) -> str:
        raise _SessionEnded("221 2.0.0 Bye")
