"""Transfer of one window of mails: command order, and the exact result of each mail.

Exactly one mail is in transfer at any time. With PIPELINING the next mail's commands travel behind
the current body, so a mail costs one round trip; without it every command waits for its reply.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from channels.email.smtp.mail_result import ACCEPTED, MailResult, MailStatus, Stage, parse_refusal
from channels.email.smtp.protocol import ReplyHandler, SmtpProtocol
from contracts.base.crash_points import crash_point

_END_OF_DATA = b".\r\n"
RSET = b"RSET\r\n"
DATA = b"DATA\r\n"
_RCPT_END, _RCPT_END_WITH_DSN = b">\r\n", b"> NOTIFY=FAILURE,DELAY\r\n"
"""Ends of RCPT; with DSN the relay reports failures and long delays, nothing else."""
_SINGLE_WRITE_MAX = 64 * 1024
"""Larger bodies leave in two steps, so that a cut before their end is known to be one."""
DEADLINE_RECHECK_S = 1.0
DEADLINE = "deadline"
_POSITIVE, _NEGATIVE, _SERVICE_CLOSING = b"2", (b"4", b"5"), b"421"
_UNEXPECTED_REPLY = "reply out of turn"


class Envelope(NamedTuple):
    """Whole mail: CRLF line ends, also the last one, and leading dots doubled.

    `sender`: its own return path instead of the connection's; `envelope_id`: named by a DSN.
    """

    recipient: bytes
    body: bytes
    sender: bytes = b""
    envelope_id: bytes = b""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Options of all mails of a connection."""

    sender: bytes
    pipelining: bool
    timeout_s: float  # of one reply
    end_timeout_s: float  # of the reply to a whole mail
    dsn: bool = False
    declares_size: bool = False


def unstuffed_size(body: bytes) -> int:
    """Bytes of a mail as the relay counts them, without the doubled dots (RFC 1870)."""
    return len(body) - body.count(b"\r\n..") - body.startswith(b"..")


class WindowTransfer(ReplyHandler):
    """Transfer of some mails in order; `done` completes after the last reply."""

    def __init__(
        self,
        protocol: SmtpProtocol,
        options: ConnectionOptions,
        mails: Sequence[Envelope],
        expired: Callable[[], bool],
    ) -> None:
        self.protocol, self.options, self.mails, self.expired = protocol, options, mails, expired
        self.results: list[MailResult] = []
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = loop.create_future()
        self.clock = loop.time
        self.rcpt_end = _RCPT_END  # of the mail whose MAIL command was written last
        self.started = 0  # mails whose MAIL command has been written
        self.deadline_checked_at = 0.0  # when `expired` was last asked
        self.progress_at = self.clock()  # when the relay last answered
        self.stop_reason = ""  # why no further mail is opened
        self.refusal: MailResult | None = None  # the current mail's
        self.handle_reply: Callable[[bytes], None] = self.on_mail
        self.body_requested = False  # the relay waits for the current body
        self.end_written = False  # the end of the current mail has been written
        self.timer = loop.call_later(options.timeout_s, self.check_timeout)

    def start(self) -> None:
        if self.protocol.closed_reason:
            self.finish(self.protocol.closed_reason)
            return
        self.protocol.set_handler(self)
        opening = self.next_commands()
        if opening:
            self.protocol.write(opening)
        else:
            self.finish(self.stop_reason)

    def next_commands(self) -> bytes:
        """Commands that open the next mail; empty if none may be sent."""
        row = self.started
        if row == len(self.mails) or not self.may_continue():
            return b""
        self.started += 1
        mail = self.mails[row]
        mail_from, self.rcpt_end = self.mail_command(mail)
        if not self.options.pipelining:
            return mail_from
        return b"%bRCPT TO:<%b%bDATA\r\n" % (mail_from, mail.recipient, self.rcpt_end)

    def mail_command(self, mail: Envelope) -> tuple[bytes, bytes]:
        """MAIL command with the return path, and the end of its RCPT.

        A relay with SIZE is told the size, so that it can refuse before the mail travels; a relay
        with DSN which reports to send, with headers at most.
        """
        sender = mail.sender or self.options.sender
        size = b" SIZE=%d" % len(mail.body) if self.options.declares_size else b""
        if not (self.options.dsn and mail.envelope_id):
            return b"MAIL FROM:<%b>%b\r\n" % (sender, size), _RCPT_END
        command = b"MAIL FROM:<%b>%b RET=HDRS ENVID=%b\r\n" % (sender, size, mail.envelope_id)
        return command, _RCPT_END_WITH_DSN

    def may_continue(self) -> bool:
        self.deadline_checked_at = self.clock()
        if not self.stop_reason and self.expired():
            self.stop_reason = DEADLINE
        return not self.stop_reason

    # Replies arrive here; `expect` knows what the next one answers.

    def on_reply(self, text: bytes) -> None:
        self.progress_at = self.clock()
        if text.startswith(_SERVICE_CLOSING) and self.handle_reply != self.on_end:
            self.protocol.drop("421")
        else:
            self.handle_reply(text)

    def on_mail(self, text: bytes) -> None:
        if self.check_reply(Stage.MAIL, text):
            recipient = self.mails[len(self.results)].recipient
            self.advance(self.on_rcpt, b"RCPT TO:<%b%b" % (recipient, self.rcpt_end))

    def on_rcpt(self, text: bytes) -> None:
        if self.check_reply(Stage.RCPT, text):
            self.advance(self.on_data, DATA)

    def on_data(self, text: bytes) -> None:
        sender_refused = self.refusal is not None and self.refusal.stage is Stage.MAIL
        crash_point("email.data_asked")
        if text.startswith(b"354") and not sender_refused:
            self.body_requested, self.handle_reply = True, self.on_premature_reply
        elif not text.startswith(_NEGATIVE):
            self.protocol.drop(_UNEXPECTED_REPLY)
        elif self.check_reply(Stage.DATA, text):
            self.reset()

    def on_premature_reply(self, text: bytes) -> None:
        """A reply to a body whose end has not been written: a refusal concerns this mail."""
        if text.startswith(_NEGATIVE):
            self.refusal = self.refusal or parse_refusal(Stage.END, text)
        self.protocol.drop(_UNEXPECTED_REPLY)

    def on_end(self, text: bytes) -> None:
        crash_point("email.answer_unread")
        if self.check_reply(Stage.END, text):
            self.record(self.refusal or ACCEPTED)
            if text.startswith(_SERVICE_CLOSING):
                self.protocol.drop("421")
            else:
                self.start_next_mail()

    def on_reset(self, text: bytes) -> None:
        if text.startswith(b"250"):
            self.start_next_mail()
        else:
            self.protocol.drop("RSET refused")

    # What follows from them.

    def check_reply(self, stage: Stage, text: bytes) -> bool:
        """Record the mail's first refusal; a reply neither positive nor negative closes all."""
        if text.startswith(_NEGATIVE):
            self.refusal = self.refusal or parse_refusal(stage, text)
        elif not text.startswith(_POSITIVE):
            self.protocol.drop(_UNEXPECTED_REPLY)
            return False
        return True

    def advance(self, handle_reply: Callable[[bytes], None], command: bytes) -> None:
        """Go to the next command; with pipelining it has been written already."""
        self.handle_reply = handle_reply
        if self.options.pipelining:
            return
        if self.refusal:
            self.reset()
        else:
            self.protocol.write(command)

    def reset(self) -> None:
        """The current mail is refused: send RSET before the next one."""
        assert self.refusal is not None  # noqa: S101 - a bug, not an event
        self.record(self.refusal)
        self.handle_reply = self.on_reset
        self.protocol.write(RSET + (self.next_commands() if self.options.pipelining else b""))

    def record(self, result: MailResult) -> None:
        self.results.append(result)
        crash_point("email.mail_settled")
        self.refusal, self.end_written = None, False

    def start_next_mail(self) -> None:
        """The current mail is settled; its successor may be open already."""
        self.handle_reply = self.on_mail
        if len(self.results) < self.started:
            return
        opening = b"" if self.options.pipelining else self.next_commands()
        if opening:
            self.protocol.write(opening)
        else:
            self.finish(self.stop_reason)

    def on_replies_processed(self) -> None:
        """Send the current body, now that no earlier reply is outstanding."""
        if not self.body_requested:
            return
        self.body_requested = False
        if self.clock() - self.deadline_checked_at > DEADLINE_RECHECK_S and not self.may_continue():
            self.protocol.drop(DEADLINE)
            return
        if self.refusal:  # the relay asks for a body of a refused mail: send an empty one
            self.write_end(b"")
            return
        body = self.mails[len(self.results)].body
        if len(body) <= _SINGLE_WRITE_MAX:
            self.write_end(body)
        else:
            self.protocol.write(body)
            if not self.protocol.is_write_paused:
                self.write_end(b"")

    def on_write_drained(self) -> None:
        """Send the end of a large body that has left."""
        if self.handle_reply == self.on_premature_reply and not self.body_requested:
            self.write_end(b"")

    def write_end(self, body: bytes) -> None:
        """Write (the rest of) the current mail, its end, and the next mail's commands."""
        self.end_written, self.handle_reply = True, self.on_end
        following = self.next_commands() if self.options.pipelining else b""
        self.protocol.write(b"".join((body, _END_OF_DATA, following)))
        crash_point("email.end_written")

    def on_connection_lost(self, why: str) -> None:
        """Refused or in doubt for the mail in transfer; later mails never left."""
        if self.refusal:
            self.record(self.refusal)
        elif self.end_written:
            self.record(MailResult(MailStatus.DOUBT, cause=why))
        self.finish(why)

    def check_timeout(self) -> None:
        """Close the connection if an answer takes too long; else check again later."""
        longest_s = self.options.end_timeout_s if self.end_written else self.options.timeout_s
        left_s = self.progress_at + longest_s - self.clock()
        if left_s > 0:
            wait_s = min(left_s, self.options.timeout_s)
            self.timer = asyncio.get_running_loop().call_later(wait_s, self.check_timeout)
        else:
            self.protocol.drop("timeout")

    def finish(self, cause: str) -> None:
        """Complete the transfer and drop all references, because mails are large."""
        self.timer.cancel()
        del self.timer
        self.handle_reply = _ignore_reply
        self.protocol.set_handler(None)
        unsent = MailResult(MailStatus.UNSENT, cause=cause)
        self.results += [unsent] * (len(self.mails) - len(self.results))
        if not self.done.done():
            self.done.set_result(None)


def _ignore_reply(_text: bytes) -> None:
    """Reply handler of a finished transfer."""
