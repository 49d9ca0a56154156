"""Send windows of mails to a scripted relay; read their results and the mails received."""

from contextlib import asynccontextmanager

import pytest

from channels.email.relays import load_relays
from channels.email.settings import EmailSettings, Tls
from channels.email.smtp.connection import Patience, SmtpConnection, tls_context
from channels.email.smtp.mail_result import MailStatus
from channels.email.smtp.window import Envelope
from tests.support.mails import never_expired
from tests.support.smtp_receiver import SmtpReceiver

ACCEPTED, REFUSED, UNSENT, DOUBT = MailStatus
BOTH = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "stepwise"])


def mail(number: int, size: int = 0) -> Envelope:
    head = b"Message-ID: <%d@example.com>\r\nSubject: x\r\n\r\n" % number
    return Envelope(
        b"a%d@example.com" % number, head + b"x" * 70 + b"\r\n" + b"y\r\n" * (size // 3)
    )


def mails(count: int) -> list[Envelope]:
    return [mail(number) for number in range(count)]


async def connect(receiver: SmtpReceiver, timeout_s: float = 30.0, **changes) -> SmtpConnection:
    fields = {"host": "127.0.0.1", "port": receiver.port, "tls": Tls.NONE}
    settings = EmailSettings(from_="tin@example.com", **(fields | changes))
    patience = Patience(request_s=timeout_s, end_s=timeout_s)
    [relay] = load_relays(settings)
    return await SmtpConnection.open(relay, tls_context(relay), patience)


@asynccontextmanager
async def connected(receiver: SmtpReceiver):
    """A connection that is still usable at the end."""
    connection = await connect(receiver)
    yield connection
    assert not connection.is_closed
    connection.close()


async def send(receiver, envelopes=4, expired=never_expired, timeout_s=30.0):
    """The results about some mails on a new connection."""
    connection = await connect(receiver, timeout_s)
    envelopes = mails(envelopes) if isinstance(envelopes, int) else envelopes
    results = await connection.send_window(envelopes, expired)
    connection.close()
    return results


def statuses(results):
    return [result.status for result in results]


def received(receiver):
    return [mail.recipient for mail in receiver.mails]


def recipient_names(*numbers):
    return [f"a{number}@example.com" for number in numbers]
