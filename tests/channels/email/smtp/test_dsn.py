"""A mail's own return path, and asking a relay that can for reports."""

import pytest

from channels.base import Verdict
from channels.email.channel import EmailChannel
from channels.email.return_path import ReturnPaths
from channels.email.settings import EmailSettings, Tls
from channels.email.smtp.window import Envelope
from tests.support.mails import PUBLIC_URL, SIGNER, a_full_publication, mail_recipient
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.smtp_window import BOTH, mail, send

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
    assert said(receiver, b"RCPT") == [
        b"RCPT TO:<a0@example.com> NOTIFY=FAILURE,DELAY",
        b"RCPT TO:<a1@example.com>",
        b"RCPT TO:<a2@example.com> NOTIFY=FAILURE,DELAY",
    ]
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
    """What is said before TLS may be anybody's."""
    import ssl

    import trustme

    from channels.email.smtp.connection import SmtpConnection, tls_context

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    class Lured(SmtpReceiver):
        """Somebody on the way adds to the first offer."""

        def act(self, stage, recipient):
            first = stage == "EHLO" and not said(self, b"STARTTLS")
            return (
                b"250-relay\r\n250-DSN\r\n250 STARTTLS"
                if first
                else super().scripted_action(stage, recipient)
            )

    async with Lured(tls=context) as receiver:
        settings = EmailSettings(
            host="127.0.0.1",
            port=receiver.port,
            from_="tin@example.com",
            ca_bundle=tmp_path / "ca.pem",
        )
        connection = await SmtpConnection.open(settings, tls_context(settings))
        assert not connection.options.dsn
        connection.close()


@pytest.mark.parametrize("place", ["p12345.17.499", ""])
async def test_a_row_with_a_place_gets_its_own_return_path(place):
    async with SmtpReceiver(extras=("DSN",)) as receiver:
        fields = {"host": "127.0.0.1", "port": receiver.port, "tls": Tls.NONE}
        settings = EmailSettings(from_="thong-bao@moha.example", **fields)
        channel = EmailChannel(settings, PUBLIC_URL, SIGNER, return_paths=PATHS)
        publication = a_full_publication()
        async with channel.session() as session:
            row = mail_recipient(1, publication, row_ref=place)
            await session.send(channel.render(publication), [row], lambda: False)
        await channel.close()
    [got] = receiver.mails
    assert PATHS.row_ref_of_address(got.sender) == (place or None)
    assert got.recipient.encode() not in got.sender.encode()


@BOTH
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_a_relay_that_offers_dsn_and_takes_no_parameters_gets_the_mail_without(
    pipelining, verb
):
    class Fickle(SmtpReceiver):
        def act(self, stage, recipient):
            bad = stage == verb and (
                b"NOTIFY=" in self.commands[-1] or b"ENVID" in self.commands[-1]
            )
            return b"555 no such parameter" if bad else super().scripted_action(stage, recipient)

    async with Fickle(pipelining=pipelining, extras=("DSN",)) as receiver:
        fields = {"host": "127.0.0.1", "port": receiver.port, "tls": Tls.NONE}
        settings = EmailSettings(from_="thong-bao@moha.example", **fields)
        channel = EmailChannel(settings, PUBLIC_URL, SIGNER, return_paths=PATHS)
        publication = a_full_publication()
        rows = [
            mail_recipient(number, publication, row_ref=f"p7.2.{number}") for number in range(3)
        ]
        async with channel.session() as session:
            said = await session.send(channel.render(publication), rows, lambda: False)
            said += await session.send(channel.render(publication), rows, lambda: False)
        await channel.close()
    assert {one.verdict for one in said} == {Verdict.DELIVERED}
    assert len(receiver.mails) == 6, "none is lost and none comes twice"
    assert len(receiver.commands) < 60, "it is asked once"
