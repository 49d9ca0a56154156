"""A mail receiver for tests: fast, scriptable, and it records every mail before it says yes.

    python -m tests.support.smtp_receiver PORTFILE RECORD [PORT [DELAY_S]]

listens on 127.0.0.1, writes its port to PORTFILE and appends one line per accepted mail to RECORD
(recipient, Message-ID); each answer comes DELAY_S late. It lives until its parent ends, so it
survives kills of the product.
"""

import asyncio
import os
import ssl
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.listening import stop_listening
from tests.support.smtp_conversation import Conversation, Mail, ScriptedAction
from tests.support.waiting import until


@dataclass
class SmtpReceiver:
    """`script` maps (stage, number of the mail or recipient) to a reply or an Act.

    Stages: greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, body, end, RSET, NOOP. `body` is asked
    when the first bytes of a mail arrive. Numbers count MAIL commands from 0, over all connections.
    """

    record: Path | None = None
    pipelining: bool = True
    tls: ssl.SSLContext | None = None
    tls_at_once: bool = False
    extras: tuple[str, ...] = ()
    script: dict[tuple[str, int | str], bytes | ScriptedAction] = field(default_factory=dict)
    always: dict[str, bytes | ScriptedAction] = field(default_factory=dict)
    keep: bool = True
    delay_s: float = 0.0
    chunk: int = 0  # bytes per write of replies; 0 = all at once
    mails: list[Mail] = field(default_factory=list)
    commands: list[bytes] = field(default_factory=list)
    ahead: int = 0  # commands that came before the reply to the last one, without PIPELINING
    connected: int = 0
    number: int = -1
    port: int = 0

    async def __aenter__(self) -> "SmtpReceiver":
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        self.fd = -1
        if self.record:
            self.fd = os.open(self.record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.open: set[Conversation] = set()
        loop = asyncio.get_running_loop()
        tls = self.tls if self.tls_at_once else None
        self.server = await loop.create_server(
            lambda: Conversation(self), "127.0.0.1", port, ssl=tls
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        await stop_listening(self.server)
        for conversation in list(self.open):
            conversation.end()
        await until(lambda: not self.open)
        await self.server.wait_closed()
        if self.fd >= 0:
            os.close(self.fd)

    def scripted_action(self, stage: str, recipient: str) -> bytes | ScriptedAction | None:
        for key in ((stage, recipient), (stage, self.number)):
            if key in self.script:
                return self.script[key]
        return self.always.get(stage)

    def reply_for(self, mail: Mail) -> bytes | ScriptedAction | None:
        """Reply at the end of a mail, all of which is here."""
        return self.scripted_action("end", mail.recipient)


class LimitedSessions(SmtpReceiver):
    """Takes so many mails in a session."""

    def __init__(self, limit: int, said: bytes = b"452 4.5.3 too many") -> None:
        super().__init__()
        self.limit, self.said, self.refused = limit, said, 0

    def scripted_action(self, stage, recipient):
        if stage == "greeting":
            self.begun = self.number
        if stage != "MAIL" or self.number - self.begun <= self.limit:
            return super().scripted_action(stage, recipient)
        self.refused += 1
        return self.said


def accepted_mails(record: Path) -> list[tuple[str, str]]:
    """Mails of a record: (recipient, Message-ID), in the order of acceptance."""
    lines = record.read_text().splitlines() if record.exists() else []
    return [(recipient, message) for recipient, _, message in (x.partition(" ") for x in lines)]


async def announce_and_wait(file: Path, address: str) -> None:
    """Write our address to *file*, whole or not at all; end with the parent process."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(address)
    fresh.replace(file)
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(0.5)


async def serve(port_file: Path, record: Path, port: int, delay_s: float) -> None:
    receiver = SmtpReceiver(record=record, keep=False, delay_s=delay_s)
    await receiver.start(port)
    await announce_and_wait(port_file, str(receiver.port))


if __name__ == "__main__":
    port_file, record, port, delay_s = [*sys.argv[1:], "0", "0"][:4]
    asyncio.run(serve(Path(port_file), Path(record), int(port), float(delay_s)))
