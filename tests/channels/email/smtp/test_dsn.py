"""A mail's own return path, and asking a relay that can for reports."""

import pytest
import trustme

from channels.base import Outcome, Verdict
from channels.email.return_path import ReturnPaths
from channels.email.settings import Tls
from channels.email.smtp.window import Envelope
from tests.support.mails import a_full_publication, email_channel, mail_recipient, never_expired
from tests.support.relay_tls import relay_context, write_bundle
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.smtp_window import BOTH, connect, mail, send

PATHS = ReturnPaths(b"k" * 32, "tra-lai.moha.example")


def with_path(number: int) -> Envelope:
    return Envelope(*mail(number)[:2], *PATHS.return_path(f"p7.2.{number}"))


def said(receiver: SmtpReceiver, verb: bytes) -> list[bytes]:
    return [line for line in receiver.commands if line.startswith(verb)]


@BOTH
async def test_a_relay_that_offers_dsn_is_told_what_to_report(pipelining):
    async with SmtpReceiver(pipelining=pipelining, extras=("DSN",)) as receiver:
        await send(receiver, [with_path(0), mail(1), with_path(2)])
    sender, envelope = PATHS.return_path("p7.2.2")
    assert said(receiver, b"MAIL")[1:] == [
        b"MAIL FROM:<tin@example.com>",
        b"MAIL FROM:<%b> RET=HDRS ENVID=%b" % (sender, envelope),
    ]
    ends = (b" NOTIFY=FAILURE,DELAY", b"", b" NOTIFY=FAILURE,DELAY")
    asked = [b"RCPT TO:<a%d@example.com>%b" % pair for pair in enumerate(ends)]
    assert said(receiver, b"RCPT") == asked
    assert len(receiver.mails) == 3


@BOTH
async def test_a_relay_without_dsn_gets_the_return_path_alone(pipelining):
    async with SmtpReceiver(pipelining=pipelining) as receiver:
        await send(receiver, [with_path(0), with_path(1)])
    paths = [PATHS.return_path(f"p7.2.{number}")[0] for number in (0, 1)]
    assert said(receiver, b"MAIL") == [b"MAIL FROM:<%b>" % path for path in paths]
    assert said(receiver, b"RCPT")[0] == b"RCPT TO:<a0@example.com>"
    assert [one.sender for one in receiver.mails] == [path.decode() for path in paths]


async def test_dsn_that_was_offered_in_the_clear_alone_does_not_count(tmp_path):
    """An offer made before TLS may be forged."""
    authority = trustme.CA()
    bundle = write_bundle(authority, tmp_path)

    class Lured(SmtpReceiver):
        """A man in the middle adds to the first offer."""

        def scripted_action(self, stage, recipient):
            first = stage == "EHLO" and not said(self, b"STARTTLS")
            return b"250-relay\r\n250-DSN\r\n250 STARTTLS" if first else None

    async with Lured(tls=relay_context(authority)) as receiver:
        connection = await connect(receiver, tls=Tls.STARTTLS, ca_bundle=bundle)
        assert said(receiver, b"STARTTLS") and not connection.options.dsn
        connection.close()


async def send_rows(receiver: SmtpReceiver, *row_refs: str, windows: int = 1) -> list[Outcome]:
    """Send a publication to the rows of these references, in each window."""
    channel, publication = email_channel(receiver.port), a_full_publication()
    channel.return_paths = PATHS
    rows = [mail_recipient(n, publication, row_ref=one) for n, one in enumerate(row_refs)]
    outcomes: list[Outcome] = []
    async with channel.session() as session:
        for _ in range(windows):
            outcomes += await session.send(channel.render(publication), rows, never_expired)
    await channel.close()
    return outcomes


@pytest.mark.parametrize("place", ["p12345.17.499", ""])
async def test_a_row_with_a_place_gets_its_own_return_path(place):
    async with SmtpReceiver(extras=("DSN",)) as receiver:
        await send_rows(receiver, place)
    [got] = receiver.mails
    assert PATHS.row_ref_of_address(got.sender) == (place or None)
    assert got.recipient.encode() not in got.sender.encode()


@BOTH
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_a_relay_that_refuses_the_dsn_it_offers_gets_the_mail_without(pipelining, verb):
    class Fickle(SmtpReceiver):
        def scripted_action(self, stage, recipient):
            last = b"".join(self.commands[-1:])
            bad = stage == verb and (b"NOTIFY=" in last or b"ENVID=" in last)
            return b"555 no such parameter" if bad else None

    async with Fickle(pipelining=pipelining, extras=("DSN",)) as receiver:
        outcomes = await send_rows(receiver, "p7.2.0", "p7.2.1", "p7.2.2", windows=2)
    assert {one.verdict for one in outcomes} == {Verdict.DELIVERED}
    assert len(receiver.mails) == 6, "none is lost and none comes twice"
    assert any(b"ENVID=" in line for line in receiver.commands)
    assert len(receiver.commands) < 60, "it is asked once"
