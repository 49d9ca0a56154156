"""SMTP server that keeps every mail in a folder and passes none on."""

import asyncio
import re
from typing import cast

import structlog

from channels.email.devmailbox.mail_folder import MailFolder

log = structlog.get_logger()
MAIL_MAX = 32 * 1024 * 1024
LINE_MAX = 4096
END_OF_DATA = b"\r\n.\r\n"
RECIPIENTS_MAX = 1000
_PATH = re.compile(rb"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)
_HELLO = f"250-loa\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {MAIL_MAX}\r\n"


class CatchAllServer:
    """Listens on one address, this machine by default."""

    def __init__(self, mail_folder: MailFolder) -> None:
        self.mail_folder = mail_folder
        self.sessions: set[CatchAllSession] = set()
        self.server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Start to listen; return the port. Raises OSError if it is taken."""
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: CatchAllSession(self), host, port)
        return int(self.server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end the sessions."""
        if self.server is None:
            return
        self.server.close()
        for conversation in list(self.sessions):
            conversation.transport.close()
        await self.server.wait_closed()


class CatchAllSession(asyncio.Protocol):
    """One client; commands that arrive together are answered in one write."""

    def __init__(self, server: CatchAllServer) -> None:
        self.server = server
        self.buffer = bytearray()
        self.searched = 0  # how much of a body has been looked through for its end
        self.in_data = False
        self.is_closing = False
        self.reset_envelope()

    def reset_envelope(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.server.sessions.add(self)
        self.transport.write(b"220 loa ESMTP\r\n")

    def connection_lost(self, _exc: Exception | None) -> None:
        self.server.sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        answers: list[str] = []
        while (answer := self.take_body() if self.in_data else self.take_command()) is not None:
            answers.append(answer)
        if len(self.buffer) > (MAIL_MAX if self.in_data else LINE_MAX):
            answers.append("552 5.3.4 Too much\r\n")
            self.is_closing = True
        self.transport.write("".join(answers).encode())
        if self.is_closing:
            self.transport.close()

    def take_command(self) -> str | None:
        """Take one command from the buffer and answer it; None when there is no whole one."""
        end = self.buffer.find(b"\r\n")
        if end < 0 or self.is_closing:
            return None
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        known = COMMANDS.get(line[:4].upper())
        return known(self, line) if known else "500 5.5.2 Unknown command\r\n"

    def on_ehlo(self, _line: bytes) -> str:
        self.reset_envelope()
        return _HELLO

    def on_mail(self, line: bytes) -> str:
        found = _PATH.search(line)
        if self.sender is not None or not found:
            return "503 5.5.1 Not now\r\n"
        self.sender = found[1].decode("utf-8", "replace")
        return "250 2.1.0 Ok\r\n"

    def on_rcpt(self, line: bytes) -> str:
        found = _PATH.search(line)
        if self.sender is None or not found:
            return "503 5.5.1 Not now\r\n"
        if len(self.recipients) == RECIPIENTS_MAX:
            return "452 4.5.3 Too many recipients\r\n"
        self.recipients.append(found[1].decode("utf-8", "replace"))
        return "250 2.1.5 Ok\r\n"

    def on_data(self, _line: bytes) -> str:
        if not self.recipients:
            return "503 5.5.1 Not now\r\n"
        self.in_data, self.searched = True, 0
        return "354 Go\r\n"

    def take_body(self) -> str | None:
        """Store the mail once it is complete, and answer."""
        if self.buffer.startswith(b".\r\n"):
            end = -2
        else:
            end = self.buffer.find(END_OF_DATA, self.searched)
            self.searched = max(0, len(self.buffer) - len(END_OF_DATA))
            if end < 0:
                return None
        mail = bytes(self.buffer[: end + 2]).replace(b"\r\n..", b"\r\n.")
        del self.buffer[: end + len(END_OF_DATA)]
        self.in_data = False
        return self.store_mail(mail[1:] if mail.startswith(b"..") else mail)

    def store_mail(self, mail: bytes) -> str:
        try:
            stored = self.server.mail_folder.store(self.sender or "", self.recipients, mail)
        except OSError as error:
            log.warning("mail_not_stored", reason=error.strerror)
            return "452 4.3.1 Can't store it now\r\n"
        finally:
            self.reset_envelope()
        return f"250 2.0.0 Ok: {stored.name}\r\n"

    def on_rset(self, _line: bytes) -> str:
        self.reset_envelope()
        return "250 2.0.0 Ok\r\n"

    def on_noop(self, _line: bytes) -> str:
        return "250 2.0.0 Ok\r\n"

    def on_quit(self, _line: bytes) -> str:
        self.is_closing = True
        return "221 2.0.0 Bye\r\n"


COMMANDS = {
    b"EHLO": CatchAllSession.on_ehlo,
    b"HELO": CatchAllSession.on_ehlo,
    b"MAIL": CatchAllSession.on_mail,
    b"RCPT": CatchAllSession.on_rcpt,
    b"DATA": CatchAllSession.on_data,
    b"RSET": CatchAllSession.on_rset,
    b"NOOP": CatchAllSession.on_noop,
    b"QUIT": CatchAllSession.on_quit,
}
