"""A conversation with the tests' mail receiver: each command has its reply, or the script's."""

import asyncio
import hmac
import os
import re
from base64 import b64decode, b64encode
from collections import deque
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.support.smtp_receiver import SmtpReceiver

CRLF = b"\r\n"
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\r\n]*>)", re.I | re.M)
CHALLENGE = b64encode(b"<1896.697170952@relay.example>")
CHALLENGE_ANSWER = b64encode(
    b"User " + hmac.new(b"secret", b64decode(CHALLENGE), "md5").hexdigest().encode()
)
"""RFC 2195: what "User" with the password "secret" answers."""
PATH = re.compile(rb"<([^>]*)>")


class ScriptedAction(Enum):
    """Act of the script in place of a reply; RECORD_* keep the mail first (only at "end")."""

    CUT = "cut"  # close without a reply
    LAST = "last"  # the usual reply, then close
    SWALLOW = "swallow"  # no reply, and silence from then on
    RECORD_CUT = "record_cut"
    RECORD_SWALLOW = "record_swallow"


TAKEN = (None, ScriptedAction.LAST, ScriptedAction.RECORD_CUT, ScriptedAction.RECORD_SWALLOW)


class Mail(NamedTuple):
    sender: str
    recipient: str
    raw: bytes  # as received, dots still doubled

    @property
    def data(self) -> bytes:
        return re.sub(rb"(?m)^\.\.", b".", self.raw)

    @property
    def message_id(self) -> str:
        found = MESSAGE_ID.search(self.raw.partition(b"\r\n\r\n")[0])
        return found[1].decode() if found else ""


class Conversation(asyncio.Protocol):
    def __init__(self, receiver: "SmtpReceiver") -> None:
        self.receiver = receiver
        self.buffer = b""
        self.silent = False
        self.upgrade: asyncio.Task | None = None
        self.clear()

    def clear(self) -> None:
        self.sender = self.recipient = ""
        self.in_data = self.begun = False

    def connection_made(self, transport) -> None:
        first = not hasattr(self, "transport")
        self.transport = transport
        self.receiver.open.add(self)
        self.out: list[bytes] = []
        self.late: deque[bytes] = deque()
        self.accepted: list[bytes] = []
        if not self.receiver.server.is_serving():  # accepted while the receiver stopped
            transport.abort()
        elif first:
            self.receiver.connected += 1
            self.answer("greeting", b"220 relay.example ESMTP")
            self.flush()

    def connection_lost(self, _exc) -> None:
        self.receiver.open.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self.listens() and (self.body() if self.in_data else self.line()):
            pass
        self.flush()

    def listens(self) -> bool:
        return not self.silent and not self.transport.is_closing()

    def line(self) -> bool:
        line, found, rest = self.buffer.partition(b"\r\n")
        if not found:
            return False
        self.buffer = rest
        if rest and not self.receiver.pipelining:
            self.receiver.ahead += 1
        if self.receiver.keep:
            self.receiver.commands.append(line)
        verb = line[:4].upper().decode("ascii", "replace")
        getattr(self, f"on_{verb.lower()}", self.on_other)(line)
        return True

    def on_ehlo(self, _line: bytes) -> None:
        able = ["relay.example", "8BITMIME", *self.receiver.extras]
        able += ["PIPELINING"] if self.receiver.pipelining else []
        able += ["STARTTLS"] if self.offers_tls() else []
        lines = [f"250-{word}" for word in able[:-1]] + [f"250 {able[-1]}"]
        self.answer("EHLO", "\r\n".join(lines).encode())

    def on_helo(self, _line: bytes) -> None:
        self.answer("HELO", b"250 relay.example")

    def offers_tls(self) -> bool:
        return bool(self.receiver.tls) and not self.transport.get_extra_info("ssl_object")

    def on_star(self, _line: bytes) -> None:
        agreed = self.answer("STARTTLS", b"220 2.0.0 go ahead")
        self.flush()
        self.buffer = b""
        if agreed and not self.transport.is_closing():
            self.upgrade = asyncio.create_task(self.start_tls())

    async def start_tls(self) -> None:
        self.silent = True
        loop, protected = asyncio.get_running_loop(), None
        with suppress(OSError):
            protected = await loop.start_tls(
                self.transport, self, self.receiver.tls, server_side=True
            )
        if protected is None:
            self.transport.abort()
            self.receiver.open.discard(self)
        else:
            self.transport, self.silent = protected, False
            self.data_received(b"")

    def end(self) -> None:
        self.transport.abort()
        if self.upgrade and not self.upgrade.done():  # its end would not be told to us
            self.upgrade.cancel()
            self.receiver.open.discard(self)

    def on_auth(self, line: bytes) -> None:
        usual = b"235 2.7.0 welcome" if b"PLAIN" in line else b"334 VXNlcm5hbWU6"
        self.answer("AUTH", b"334 " + CHALLENGE if b"CRAM-MD5" in line else usual)

    def on_mail(self, line: bytes) -> None:
        self.receiver.number += 1
        self.clear()
        if self.answer("MAIL", b"250 2.1.0 Ok"):
            self.sender = address_in(line)

    def on_rcpt(self, line: bytes) -> None:
        self.recipient = address_in(line)
        usual = b"250 2.1.5 Ok" if self.sender else b"503 5.5.1 no sender"
        if not self.answer("RCPT", usual):
            self.recipient = ""

    def on_data(self, _line: bytes) -> None:
        usual = b"354 go" if self.recipient else b"503 5.5.1 no valid recipients"
        self.in_data = self.answer("DATA", usual)

    def on_rset(self, _line: bytes) -> None:
        self.clear()
        self.answer("RSET", b"250 2.0.0 Ok")

    def on_noop(self, _line: bytes) -> None:
        self.answer("NOOP", b"250 2.0.0 Ok")

    def on_quit(self, _line: bytes) -> None:
        self.out.append(b"221 2.0.0 Bye\r\n")
        self.flush()
        self.transport.close()

    def on_other(self, line: bytes) -> None:
        steps = {b"VXNlcg==": b"334 UGFzc3dvcmQ6", b"c2VjcmV0": b"235 2.7.0 welcome"}
        steps[CHALLENGE_ANSWER] = b"235 2.7.0 welcome"
        self.out.append(steps.get(line, b"500 5.5.2 what?") + b"\r\n")

    def body(self) -> bool:
        if not self.begun and self.buffer:
            self.begun = True
            if self.receiver.scripted_action("body", self.recipient) is ScriptedAction.CUT:
                self.flush()
                self.transport.abort()
                return False
        if self.buffer.startswith(b".\r\n"):
            end = 0
        elif (end := self.buffer.find(b"\r\n.\r\n") + 2) == 1:
            return False
        mail = Mail(self.sender, self.recipient, self.buffer[:end])
        self.buffer = self.buffer[end + 3 :]
        if self.buffer and not self.receiver.pipelining:
            self.receiver.ahead += 1
        self.take(mail)
        self.clear()
        return True

    def take(self, mail: Mail) -> None:
        act = self.receiver.reply_for(mail)
        if not mail.recipient:
            self.out.append(b"554 5.5.1 no valid recipients\r\n")
            return
        if act in TAKEN:
            self.accepted.append(f"{mail.recipient} {mail.message_id}\n".encode())
            if self.receiver.keep:
                self.receiver.mails.append(mail)
        self.do(act, b"250 2.0.0 Ok: queued")

    def answer(self, stage: str, usual: bytes) -> bool:
        """Reply as scripted; True when the reply is a yes."""
        return self.do(self.receiver.scripted_action(stage, self.recipient), usual)

    def do(self, act: bytes | ScriptedAction | None, usual: bytes) -> bool:
        if act in (ScriptedAction.CUT, ScriptedAction.RECORD_CUT):
            self.flush()
            self.transport.abort()
        elif act in (ScriptedAction.SWALLOW, ScriptedAction.RECORD_SWALLOW):
            self.silent = True
        else:
            said = act if isinstance(act, bytes) else usual
            self.out.append(said + CRLF)
            if act is ScriptedAction.LAST:
                self.flush()
                self.transport.close()
            return said[:1] in b"23"
        return True

    def flush(self) -> None:
        if self.accepted and self.receiver.fd >= 0:
            os.write(self.receiver.fd, b"".join(self.accepted))
        self.accepted.clear()
        out, self.out = b"".join(self.out), []
        if not out:
            return
        if self.receiver.delay_s or self.late:
            self.late.append(out)
            asyncio.get_running_loop().call_later(self.receiver.delay_s, self._write_late)
        else:
            for start in range(0, len(out), self.receiver.chunk or len(out)):
                self.transport.write(out[start : start + (self.receiver.chunk or len(out))])

    def _write_late(self) -> None:
        """Write the reply that has waited longest: the delay may have become shorter."""
        self.transport.write(self.late.popleft())


def address_in(line: bytes) -> str:
    found = PATH.search(line)
    return found[1].decode("latin-1") if found else ""
