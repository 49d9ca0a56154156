"""A window of mails to a scripted relay: how it is sent, what is said of each, which arrived."""

import pytest

from channels.email.settings import EmailSettings, Tls
from channels.email.smtp.connection import SmtpConnection
from channels.email.smtp.mail_result import SendResult
from channels.email.smtp.window import Envelope
from tests.support.mails import never_expired
from tests.support.smtp_receiver import SmtpReceiver

ACCEPTED, REFUSED, UNSENT, DOUBT = (
    SendResult.ACCEPTED,
    SendResult.REFUSED,
    SendResult.UNSENT,
    SendResult.DOUBT,
)
BOTH = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "stepwise"])


def mail(number: int, size: int = 0) -> Envelope:
    head = b"Message-ID: <%d@example.com>\r\nSubject: x\r\n\r\n" % number
    return Envelope(
        b"a%d@example.com" % number, head + b"x" * 70 + b"\r\n" + b"y\r\n" * (size // 3)
    )


def settings(receiver: SmtpReceiver, **changes) -> EmailSettings:
    fields = {"host": "127.0.0.1", "port": receiver.port, "tls": Tls.NONE}
    return EmailSettings(from_="tin@example.com", **(fields | changes))


async def send(receiver, mails=4, expired=never_expired, timeout_s=30.0, connection=None):
    """The fates of some mails, and the connection."""
    connection = connection or await SmtpConnection.open(
        settings(receiver), request_timeout_s=timeout_s
    )
    envelopes = [mail(n) for n in range(mails)] if isinstance(mails, int) else mails
    replies = await connection.send_window(envelopes, expired)
    connection.close()
    return replies


def fates(replies):
    return [reply.result for reply in replies]


def received(receiver):
    return [mail.recipient for mail in receiver.mails]


def recipient_names(*numbers):
    return [f"a{number}@example.com" for number in numbers]
