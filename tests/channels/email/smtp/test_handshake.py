"""Opening a connection: what is verified before the first mail, and what is said when it fails."""

import ssl

import pytest
import trustme

from channels.email.settings import EmailSettings, Tls
from channels.email.smtp import connection as smtp_connection
from channels.email.smtp.connection import SmtpConnection, tls_context
from channels.email.smtp.window import Envelope
from channels.errors import Misconfigured, Unreachable
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver

MAIL = Envelope(b"a@example.com", b"Message-ID: <1@example.com>\r\n\r\nx\r\n")
SIGNED_IN = {"username": "User", "password": "secret"}


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module")
def serving(authority):
    """A server's side of TLS, for a name."""

    def context(name="127.0.0.1"):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(made)
        return made

    return context


async def opened(receiver, **changes):
    fields = {"host": "127.0.0.1", "port": receiver.port, "from_": "tin@example.com"}
    settings = EmailSettings(**(fields | changes))
    return await SmtpConnection.open(settings, tls_context(settings))


async def delivers(connection):
    (reply,) = await connection.send_window([MAIL], lambda: False)
    connection.close()
    return reply.result == "accepted"


async def test_starttls_is_verified_and_the_mail_goes_through_it(serving, bundle):
    async with SmtpReceiver(tls=serving()) as receiver:
        connection = await opened(receiver, ca_bundle=bundle)
        assert connection.protocol.transport.get_extra_info("ssl_object")
        assert await delivers(connection)
    assert [line[:8] for line in receiver.commands[:3]] == [
        receiver.commands[0][:8],
        b"STARTTLS",
        receiver.commands[0][:8],
    ]


async def test_tls_from_the_first_byte(serving, bundle):
    async with SmtpReceiver(tls=serving(), tls_at_once=True) as receiver:
        assert await delivers(await opened(receiver, tls=Tls.TLS, ca_bundle=bundle))


@pytest.mark.parametrize("how", [Tls.STARTTLS, Tls.TLS])
async def test_a_certificate_of_unknown_origin_ends_it_before_anything_is_said(serving, how):
    async with SmtpReceiver(tls=serving(), tls_at_once=how is Tls.TLS) as receiver:
        with pytest.raises(Misconfigured, match="certificate"):
            await opened(receiver, tls=how, **SIGNED_IN)
    assert not any(line.startswith((b"AUTH", b"MAIL")) for line in receiver.commands)


async def test_a_certificate_for_another_name_is_refused(serving, bundle):
    async with SmtpReceiver(tls=serving("other.example")) as receiver:
        with pytest.raises(Misconfigured, match="certificate"):
            await opened(receiver, ca_bundle=bundle)


async def test_a_relay_without_starttls_never_hears_a_password_or_a_mail(bundle):
    async with SmtpReceiver(extras=("AUTH PLAIN",)) as receiver:
        with pytest.raises(Misconfigured, match="STARTTLS"):
            await opened(receiver, ca_bundle=bundle, **SIGNED_IN)
    assert [line[:4] for line in receiver.commands] == [b"EHLO"]


async def test_answers_smuggled_in_before_tls_end_it(serving, bundle):
    script = {("STARTTLS", -1): b"220 go ahead\r\n250 2.0.0 smuggled"}
    async with SmtpReceiver(tls=serving(), script=script) as receiver:
        with pytest.raises((Misconfigured, Unreachable)):
            await opened(receiver, ca_bundle=bundle)
    assert [line[:4] for line in receiver.commands] == [b"EHLO", b"STAR"]


async def test_half_an_answer_smuggled_in_before_tls_ends_it(serving, bundle, monkeypatch):
    async with SmtpReceiver(tls=serving()) as receiver:
        receiver.always["STARTTLS"] = b"220 go ahead\r\n250 2.0.0 smug"
        monkeypatch.setattr("tests.support.smtp_conversation.CRLF", b"")
        receiver.always["greeting"] = b"220 hello\r\n"
        receiver.always["EHLO"] = b"250-hello\r\n250 STARTTLS\r\n"
        with pytest.raises(Misconfigured, match="smuggled"):
            await opened(receiver, ca_bundle=bundle)


async def test_starttls_refused(serving, bundle):
    async with SmtpReceiver(tls=serving(), script={("STARTTLS", -1): b"454 4.7.0 no"}) as receiver:
        with pytest.raises(Unreachable, match="STARTTLS 454"):
            await opened(receiver, ca_bundle=bundle)


async def test_a_missing_bundle_is_an_operators_business(tmp_path):
    settings = EmailSettings(host="127.0.0.1", from_="a@b.vn", ca_bundle=tmp_path / "none.pem")
    with pytest.raises(Misconfigured, match="CA_BUNDLE"):
        tls_context(settings)


@pytest.mark.parametrize("offer", ["AUTH PLAIN LOGIN", "AUTH LOGIN"])
async def test_signing_in(offer):
    async with SmtpReceiver(extras=(offer,)) as receiver:
        assert await delivers(await opened(receiver, tls=Tls.NONE, **SIGNED_IN))
    assert any(line.startswith(b"AUTH") for line in receiver.commands)


@pytest.mark.parametrize(
    ("reply", "error"),
    [(b"535 5.7.8 wrong", Misconfigured), (b"454 4.7.0 later", Unreachable)],
)
async def test_a_relay_that_does_not_let_us_in(reply, error):
    async with SmtpReceiver(extras=("AUTH PLAIN",), always={"AUTH": reply}) as receiver:
        with pytest.raises(error, match=f"AUTH {reply[:3].decode()}"):
            await opened(receiver, tls=Tls.NONE, **SIGNED_IN)


async def test_a_relay_that_offers_no_way_to_sign_in():
    async with SmtpReceiver(extras=("AUTH GSSAPI",)) as receiver:
        with pytest.raises(Misconfigured, match="neither"):
            await opened(receiver, tls=Tls.NONE, **SIGNED_IN)


@pytest.mark.parametrize(
    "script",
    [
        {("greeting", -1): b"421 4.3.2 too busy"},
        {("greeting", -1): b"554 5.7.1 go away"},
        {("greeting", -1): ScriptedAction.CUT},
        {("greeting", -1): b"hello"},
        {("EHLO", -1): ScriptedAction.CUT},
        {("EHLO", -1): b"421 4.3.2 too busy"},
    ],
)
async def test_a_relay_in_trouble_is_unreachable(script):
    async with SmtpReceiver(script=script) as receiver:
        with pytest.raises(Unreachable):
            await opened(receiver, tls=Tls.NONE)


async def test_a_relay_that_says_nothing_is_unreachable(monkeypatch):
    monkeypatch.setattr(smtp_connection, "OPEN_TIMEOUT_S", 0.2)
    async with SmtpReceiver(script={("greeting", -1): ScriptedAction.SWALLOW}) as receiver:
        with pytest.raises(Unreachable, match="timeout"):
            await opened(receiver, tls=Tls.NONE)


async def test_nobody_listens():
    async with SmtpReceiver() as receiver:
        pass
    with pytest.raises(Unreachable, match="no connection"):
        await opened(receiver, tls=Tls.NONE)


async def test_noop_tells_a_living_connection_from_a_dead_one():
    async with SmtpReceiver() as receiver:
        connection = await opened(receiver, tls=Tls.NONE)
        assert await connection.is_alive()
        receiver.always["NOOP"] = ScriptedAction.CUT
        assert not await connection.is_alive()
        assert connection.is_closed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "relay.example", "from_": "not an address"}, "LOA_EMAIL_FROM"),
        ({"host": "relay.example"}, "LOA_EMAIL_FROM is missing"),
        ({"host": "relay.example", "from_": "a@b.vn", "reply_to": "x\r\ny@b.vn"}, "REPLY_TO"),
        (
            {"host": "relay.example", "from_": "a@b.vn", "tls": "none", "username": "x"},
            "in the clear",
        ),
    ],
)
def test_settings_that_can_not_work_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        EmailSettings(**changes)


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("LOA_EMAIL_HOST", "relay.example")
    monkeypatch.setenv("LOA_EMAIL_FROM", "Bộ Nội vụ <thong-bao@moha.example>")
    monkeypatch.setenv("LOA_EMAIL_PASSWORD", "secret")
    settings = EmailSettings()
    assert (settings.tls, settings.port, settings.connections) == (Tls.STARTTLS, 587, 8)
    assert (settings.sender, settings.domain) == ("thong-bao@moha.example", "moha.example")
    assert settings.sender_name == "Bộ Nội vụ"
    assert "secret" not in repr(settings)


def test_the_stand_in_needs_no_relay():
    local = EmailSettings().for_stand_in(2525)
    assert (local.host, local.port, local.tls) == ("127.0.0.1", 2525, Tls.NONE)
    assert local.domain == "loa.example"
