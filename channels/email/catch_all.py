"""An SMTP receiver that takes every mail and keeps it in a maildrop; it never passes mail on."""

import asyncio
import re
from typing import cast

import structlog

from channels.email.maildrop import Maildrop

log = structlog.get_logger()
MAIL_MAX = 32 * 1024 * 1024
LINE_MAX = 4096
END = b"\r\n.\r\n"
RECIPIENTS_MAX = 1000
_PATH = re.compile(rb"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)
_HELLO = f"250-loa\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {MAIL_MAX}\r\n"


class CatchAll:
    """Listens on one address, this machine by default."""

    def __init__(self, maildrop: Maildrop) -> None:
        self.maildrop = maildrop
        self.conversations: set[Conversation] = set()
        self.server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Start to listen; answers the port. Raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Conversation(self), host, port)
        return int(self.server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end the conversations."""
        if self.server is None:
            return
        self.server.close()
        for conversation in list(self.conversations):
            conversation.transport.close()
        await self.server.wait_closed()


class Conversation(asyncio.Protocol):
    """One client. All its commands that have arrived are answered in one write."""

    def __init__(self, house: CatchAll) -> None:
        self.house = house
        self.buffer = bytearray()
        self.searched = 0  # how much of a body has been looked through for its end
        self.in_data = False
        self.leaving = False
        self.forget()

    def forget(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.house.conversations.add(self)
        self.transport.write(b"220 loa ESMTP\r\n")

    def connection_lost(self, _exc: Exception | None) -> None:
        self.house.conversations.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        answers: list[str] = []
        while (answer := self.body() if self.in_data else self.command()) is not None:
            answers.append(answer)
        if len(self.buffer) > (MAIL_MAX if self.in_data else LINE_MAX):
            answers.append("552 5.3.4 Too much\r\n")
            self.leaving = True
        self.transport.write("".join(answers).encode())
        if self.leaving:
            self.transport.close()

    def command(self) -> str | None:
        """Take one command from the buffer and answer it; None when there is no whole one."""
        end = self.buffer.find(b"\r\n")
        if end < 0 or self.leaving:
            return None
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        known = COMMANDS.get(line[:4].upper())
        return known(self, line) if known else "500 5.5.2 Unknown command\r\n"

    def hello(self, _line: bytes) -> str:
        self.forget()
        return _HELLO

    def mail(self, line: bytes) -> str:
        found = _PATH.search(line)
        if self.sender is not None or not found:
            return "503 5.5.1 Not now\r\n"
        self.sender = found[1].decode("utf-8", "replace")
        return "250 2.1.0 Ok\r\n"

    def rcpt(self, line: bytes) -> str:
        found = _PATH.search(line)
        if self.sender is None or not found:
            return "503 5.5.1 Not now\r\n"
        if len(self.recipients) == RECIPIENTS_MAX:
            return "452 4.5.3 Too many recipients\r\n"
        self.recipients.append(found[1].decode("utf-8", "replace"))
        return "250 2.1.5 Ok\r\n"

    def data(self, _line: bytes) -> str:
        if not self.recipients:
            return "503 5.5.1 Not now\r\n"
        self.in_data, self.searched = True, 0
        return "354 Go\r\n"

    def body(self) -> str | None:
        """Keep the mail once it is whole, then say so."""
        if self.buffer.startswith(b".\r\n"):
            end = -2
        else:
            end = self.buffer.find(END, self.searched)
            self.searched = max(0, len(self.buffer) - len(END))
            if end < 0:
                return None
        mail = bytes(self.buffer[: end + 2]).replace(b"\r\n..", b"\r\n.")
        del self.buffer[: end + len(END)]
        self.in_data = False
        return self.keep(mail[1:] if mail.startswith(b"..") else mail)

    def keep(self, mail: bytes) -> str:
        try:
            stored = self.house.maildrop.put(self.sender or "", self.recipients, mail)
        except OSError as error:
            log.warning("mail_not_stored", reason=error.strerror)
            return "452 4.3.1 Can't store it now\r\n"
        finally:
            self.forget()
        return f"250 2.0.0 Ok: {stored.name}\r\n"

    def reset(self, _line: bytes) -> str:
        self.forget()
        return "250 2.0.0 Ok\r\n"

    def noop(self, _line: bytes) -> str:
        return "250 2.0.0 Ok\r\n"

    def quit(self, _line: bytes) -> str:
        self.leaving = True
        return "221 2.0.0 Bye\r\n"


COMMANDS = {
    b"EHLO": Conversation.hello,
    b"HELO": Conversation.hello,
    b"MAIL": Conversation.mail,
    b"RCPT": Conversation.rcpt,
    b"DATA": Conversation.data,
    b"RSET": Conversation.reset,
    b"NOOP": Conversation.noop,
    b"QUIT": Conversation.quit,
}
