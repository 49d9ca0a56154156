"""An SMTP server that takes what comes back to us, and nothing else; it never sends a mail.

Who a mail is for is decided at RCPT, so that nothing has to be answered later: what is not ours is
refused while its sender still listens. A mail is stored before its 250, or not taken.
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
KEPT = 512 * 1024
"""So much of a mail is read; a report comes before the mail that it returns."""
COMMAND_S, MAIL_S, CONVERSATION_S = 60.0, 180.0, 600.0
AT_ONCE = 50
RECIPIENTS_MAX = 20
WRONG_MAX = 10
_PATH = re.compile(rb"(?:FROM|TO):\s*<([^<>\s]{0,320})>", re.IGNORECASE)
_HELLO = f"250-loa\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {MAIL_MAX}"


class Door(Protocol):
    """What some addresses are for."""

    def takes(self, recipient: str) -> bool:
        """Whether mail for *recipient* belongs here."""

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        """Returns once it is safe to say 250. Raises Unreachable: the sender has to try again."""


class Refused(Exception):
    """A command that is answered with a no; the message is the answer."""


class Over(Exception):
    """The conversation ends."""


@dataclass
class Listener:
    """Listens on one address; the first of *doors* that takes a recipient has it."""

    doors: Sequence[Door]
    conversations: set[asyncio.Task[None]] = field(default_factory=set)
    server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Start to listen; answers the port. Raises OSError when it is taken."""
        self.server = await asyncio.start_server(self.meet, host, port, limit=LINE_MAX)
        return int(self.server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end the conversations: what had no 250 comes again."""
        if self.server is None:
            return
        self.server.close()
        for conversation in list(self.conversations):
            conversation.cancel()
        if self.conversations:
            await asyncio.wait(list(self.conversations))
        await self.server.wait_closed()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in one
        self.conversations.add(task)
        try:
            async with asyncio.timeout(CONVERSATION_S):
                await Conversation(self, reader, writer).run()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.info("bounce_connection_lost")
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self.conversations.discard(task)
            writer.close()

    def door(self, recipient: str) -> Door | None:
        return next((one for one in self.doors if one.takes(recipient)), None)


class Conversation:
    """One client, one command after the other."""

    def __init__(
        self, house: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.house, self.reader, self.writer = house, reader, writer
        self.wrong = 0
        self.forget()

    def forget(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def run(self) -> None:
        if len(self.house.conversations) > AT_ONCE:
            await self.say("421 4.7.0 Too many connections")
            return
        await self.say("220 loa ESMTP")
        try:
            while True:
                await self.command()
        except Over as over:
            await self.say(str(over))

    async def say(self, text: str) -> None:
        self.writer.write(f"{text}\r\n".encode())
        await self.writer.drain()

    async def command(self) -> None:
        """Take one command and answer it. Raises Over after the last one."""
        async with asyncio.timeout(COMMAND_S):
            line = await self.reader.readuntil(b"\r\n")
        name = line[:4].upper().decode("ascii", "replace")
        act = getattr(self, f"on_{name.lower()}", None) if name in COMMANDS else None
        try:
            if act is None:
                raise Refused("500 5.5.2 Unknown command")
            await self.say(await act(line))
        except Refused as no:
            self.wrong += 1
            if self.wrong > WRONG_MAX:
                raise Over("421 4.7.0 Too many errors") from None
            await self.say(str(no))

    async def on_ehlo(self, _line: bytes) -> str:
        self.forget()
        return _HELLO

    async def on_helo(self, _line: bytes) -> str:
        self.forget()
        return "250 loa"

    async def on_mail(self, line: bytes) -> str:
        found = _PATH.search(line)
        if self.sender is not None or not found:
            raise Refused("503 5.5.1 Not now")
        self.sender = found[1].decode("utf-8", "replace")
        return "250 2.1.0 Ok"

    async def on_rcpt(self, line: bytes) -> str:
        found = _PATH.search(line)
        if self.sender is None or not found:
            raise Refused("503 5.5.1 Not now")
        if len(self.recipients) == RECIPIENTS_MAX:
            raise Refused("452 4.5.3 Too many recipients")
        recipient = found[1].decode("utf-8", "replace")
        if self.house.door(recipient) is None:
            log.info("bounce_refused")
            raise Refused("550 5.1.1 No such mailbox")
        self.recipients.append(recipient)
        return "250 2.1.5 Ok"

    async def on_data(self, _line: bytes) -> str:
        if not self.recipients:
            raise Refused("503 5.5.1 Not now")
        await self.say("354 Go")
        async with asyncio.timeout(MAIL_S):
            mail = await self.body()
        return await self.deliver(mail)

    async def body(self) -> bytes:
        """The mail, cut off where it gets long; only CRLF.CRLF ends it. Raises Over."""
        kept, size = bytearray(), 0
        while (line := await self.reader.readuntil(b"\r\n")) != b".\r\n":
            size += len(line)
            if size > MAIL_MAX:
                raise Over("552 5.3.4 Too much")
            if len(kept) < KEPT:
                kept += line[1:] if line.startswith(b".") else line
        return bytes(kept)

    async def deliver(self, mail: bytes) -> str:
        sender, recipients = self.sender or "", self.recipients
        self.forget()
        try:
            for recipient in recipients:
                if door := self.house.door(recipient):
                    await door.deliver(sender, recipient, mail)
        except Unreachable as away:
            log.warning("bounce_not_stored", reason=away.reason)
            raise Refused("451 4.3.0 Try again later") from away
        return "250 2.0.0 Ok"

    async def on_rset(self, _line: bytes) -> str:
        self.forget()
        return "250 2.0.0 Ok"

    async def on_noop(self, _line: bytes) -> str:
        return "250 2.0.0 Ok"

    async def on_quit(self, _line: bytes) -> str:
        raise Over("221 2.0.0 Bye")


COMMANDS = frozenset({"EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT"})
