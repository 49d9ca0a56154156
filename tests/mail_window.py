"""A window of mails to a scripted relay: how it is sent, what is said of each, which arrived."""

import pytest

from channels.email.replies import Fate
from channels.email.settings import EmailSettings, Tls
from channels.email.smtp import SmtpConnection
from channels.email.window import Envelope
from tests.mails import never
from tests.smtp_receiver import Receiver

ACCEPTED, REFUSED, UNSENT, DOUBT = Fate.ACCEPTED, Fate.REFUSED, Fate.UNSENT, Fate.DOUBT
BOTH = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "stepwise"])


def mail(number: int, size: int = 0) -> Envelope:
    head = b"Message-ID: <%d@example.com>\r\nSubject: x\r\n\r\n" % number
    return Envelope(
        b"a%d@example.com" % number, head + b"x" * 70 + b"\r\n" + b"y\r\n" * (size // 3)
    )


def settings(receiver: Receiver, **changes) -> EmailSettings:
    fields = {"host": "127.0.0.1", "port": receiver.port, "tls": Tls.NONE}
    return EmailSettings(from_="tin@example.com", **(fields | changes))


async def send(receiver, mails=4, expired=never, timeout_s=30.0, connection=None):
    """The fates of some mails, and the connection."""
    connection = connection or await SmtpConnection.open(
        settings(receiver), request_timeout_s=timeout_s
    )
    envelopes = [mail(n) for n in range(mails)] if isinstance(mails, int) else mails
    replies = await connection.send_window(envelopes, expired)
    connection.close()
    return replies


def fates(replies):
    return [reply.fate for reply in replies]


def got(receiver):
    return [mail.recipient for mail in receiver.mails]


def named(*numbers):
    return [f"a{number}@example.com" for number in numbers]
