"""One window of mails on the wire: what may be written next, and what became of each mail.

Exactly one mail is on its way at any time. With PIPELINING the next mail's commands travel behind
the current body, so that a mail costs one round trip; without it every command waits for its reply.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from channels.email.replies import ACCEPTED, Reply, Stage, doubt, refused, unsent
from channels.email.wire import Wire
from contracts.crash import crash_point

END = b".\r\n"
RSET = b"RSET\r\n"
DATA = b"DATA\r\n"
PLAIN, REPORT = b">\r\n", b"> NOTIFY=FAILURE,DELAY\r\n"
"""How RCPT ends: REPORT asks for a notice of what fails or waits long, and of nothing else."""
ONE_WRITE = 64 * 1024
"""Larger bodies leave in two steps, so that a cut before their end is known to be one."""
ASK_AGAIN_S = 1.0
YES, NO, CLOSING = b"2", (b"4", b"5"), b"421"
OUT_OF_TURN = "reply out of turn"


class Envelope(NamedTuple):
    """A whole mail: lines end in CRLF, the last one too, and leading dots are doubled.

    `sender`: its own return path, in place of the connection's; `envelope_id`: what a DSN names.
    """

    recipient: bytes
    body: bytes
    sender: bytes = b""
    envelope_id: bytes = b""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all mails of a connection."""

    sender: bytes
    pipelining: bool
    timeout_s: float
    dsn: bool = False


class Window:
    """The conversation about some mails, in order. `done` ends when nothing more will be said."""

    def __init__(
        self, wire: Wire, terms: Terms, mails: Sequence[Envelope], expired: Callable[[], bool]
    ) -> None:
        self.wire, self.terms, self.mails, self.expired = wire, terms, mails, expired
        self.replies: list[Reply] = []
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = loop.create_future()
        self.clock = loop.time
        self.mail_from = b"MAIL FROM:<%b>\r\n" % terms.sender
        self.rcpt_end = PLAIN  # of the mail whose MAIL command was written last
        self.opened = 0  # mails whose MAIL command has been written
        self.asked = 0.0  # when `expired` was last asked
        self.over = ""  # why no further mail is opened
        self.refusal: Reply | None = None  # the current mail's
        self.expect: Callable[[bytes], None] = self.on_mail
        self.ready = False  # the relay waits for the current body
        self.ended = False  # the end of the current mail has been written
        self.timer = loop.call_later(terms.timeout_s, self.check_time)

    def begin(self) -> None:
        if self.wire.gone:
            self.finish(self.wire.gone)
            return
        self.wire.listen(self)
        opening = self.opening()
        if opening:
            self.wire.write(opening)
        else:
            self.finish(self.over)

    def opening(self) -> bytes:
        """The commands that open the next mail, if there is one and it may still be sent."""
        row = self.opened
        if row == len(self.mails) or not self.may_go_on():
            return b""
        self.opened += 1
        mail = self.mails[row]
        mail_from, self.rcpt_end = self.sender(mail) if mail.sender else (self.mail_from, PLAIN)
        if not self.terms.pipelining:
            return mail_from
        return b"%bRCPT TO:<%b%bDATA\r\n" % (mail_from, mail.recipient, self.rcpt_end)

    def sender(self, mail: Envelope) -> tuple[bytes, bytes]:
        """MAIL for a mail with a return path of its own, and the end of its RCPT.

        A relay that can is told what to report, and to send back the headers at most.
        """
        if not (self.terms.dsn and mail.envelope_id):
            return b"MAIL FROM:<%b>\r\n" % mail.sender, PLAIN
        return b"MAIL FROM:<%b> RET=HDRS ENVID=%b\r\n" % (mail.sender, mail.envelope_id), REPORT

    def may_go_on(self) -> bool:
        self.asked = self.clock()
        if not self.over and self.expired():
            self.over = "deadline"
        return not self.over

    # Replies arrive here; `expect` knows what the next one answers.

    def reply(self, text: bytes) -> None:
        if text.startswith(CLOSING) and self.expect != self.on_end:
            self.wire.drop("421")
        else:
            self.expect(text)

    def on_mail(self, text: bytes) -> None:
        if self.understood(Stage.MAIL, text):
            recipient = self.mails[len(self.replies)].recipient
            self.step(self.on_rcpt, b"RCPT TO:<%b%b" % (recipient, self.rcpt_end))

    def on_rcpt(self, text: bytes) -> None:
        if self.understood(Stage.RCPT, text):
            self.step(self.on_data, DATA)

    def on_data(self, text: bytes) -> None:
        sender_refused = self.refusal is not None and self.refusal.stage is Stage.MAIL
        crash_point("email.data_asked")
        if text.startswith(b"354") and not sender_refused:
            self.ready, self.expect = True, self.on_early
        elif not text.startswith(NO):
            self.wire.drop(OUT_OF_TURN)
        elif self.understood(Stage.DATA, text):
            self.reset()

    def on_early(self, _text: bytes) -> None:
        """An answer to a body whose end has not been written."""
        self.wire.drop(OUT_OF_TURN)

    def on_end(self, text: bytes) -> None:
        crash_point("email.answer_unread")
        if self.understood(Stage.END, text):
            self.book(self.refusal or ACCEPTED)
            if text.startswith(CLOSING):
                self.wire.drop("421")
            else:
                self.go_on()

    def on_reset(self, text: bytes) -> None:
        if text.startswith(b"250"):
            self.go_on()
        else:
            self.wire.drop("RSET refused")

    # What follows from them.

    def understood(self, stage: Stage, text: bytes) -> bool:
        """Take note of a no, the current mail's first one; anything but yes and no ends it all."""
        if text.startswith(NO):
            self.refusal = self.refusal or refused(stage, text)
        elif not text.startswith(YES):
            self.wire.drop(OUT_OF_TURN)
            return False
        return True

    def step(self, expect: Callable[[bytes], None], command: bytes) -> None:
        """Go to the next command; it is under way already when pipelining."""
        self.expect = expect
        if self.terms.pipelining:
            return
        if self.refusal:
            self.reset()
        else:
            self.wire.write(command)

    def reset(self) -> None:
        """The current mail is refused: clear the table for the next one."""
        assert self.refusal is not None  # noqa: S101 - a bug, not an event
        self.book(self.refusal)
        self.expect = self.on_reset
        self.wire.write(RSET + (self.opening() if self.terms.pipelining else b""))

    def book(self, reply: Reply) -> None:
        self.replies.append(reply)
        crash_point("email.mail_settled")
        self.refusal, self.ended = None, False

    def go_on(self) -> None:
        """The current mail is settled; its successor may be open already."""
        self.expect = self.on_mail
        if len(self.replies) < self.opened:
            return
        opening = b"" if self.terms.pipelining else self.opening()
        if opening:
            self.wire.write(opening)
        else:
            self.finish(self.over)

    def caught_up(self) -> None:
        """Send the current body, now that no reply is left that could belong to something else."""
        if not self.ready:
            return
        self.ready = False
        if self.clock() - self.asked > ASK_AGAIN_S and not self.may_go_on():
            self.wire.drop("deadline")
            return
        if self.refusal:  # the relay wants a body although nobody will get it: an empty one
            self.end(b"")
            return
        body = self.mails[len(self.replies)].body
        if len(body) <= ONE_WRITE:
            self.end(body)
        else:
            self.wire.write(body)
            if not self.wire.choked:
                self.end(b"")

    def drained(self) -> None:
        """A large body has left: send its end."""
        if self.expect == self.on_early and not self.ready:
            self.end(b"")

    def end(self, body: bytes) -> None:
        """Write (the rest of) the current mail, its end, and the next mail's commands."""
        self.ended, self.expect = True, self.on_end
        following = self.opening() if self.terms.pipelining else b""
        self.wire.write(b"%b%b%b" % (body, END, following))
        crash_point("email.end_written")

    def lost(self, why: str) -> None:
        """Be exact about the mail that was on its way; the others never left."""
        if self.refusal:
            self.book(self.refusal)
        elif self.ended:
            self.book(doubt(why))
        self.finish(why)

    def check_time(self) -> None:
        """Give up on a mail that takes too long; else look again when it could."""
        left_s = self.asked + self.terms.timeout_s - self.clock()
        if left_s > 0:
            self.timer = asyncio.get_running_loop().call_later(left_s, self.check_time)
        else:
            self.wire.drop("timeout")

    def finish(self, why: str) -> None:
        """Nothing more will be said; let go of all that points back here, mails are large."""
        self.timer.cancel()
        del self.timer
        self.expect = unheard
        self.wire.listen(None)
        rest = len(self.mails) - len(self.replies)
        self.replies += [unsent(why)] * rest
        if not self.done.done():
            self.done.set_result(None)


def unheard(_text: bytes) -> None:
    """What a finished conversation expects."""
