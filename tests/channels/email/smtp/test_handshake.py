"""Opening a connection: signing in, the relay's troubles and the settings. TLS: test_tls.py."""

import pytest

from channels.email.relays import load_relays
from channels.email.settings import EmailSettings, Tls
from channels.email.smtp.connection import tls_context
from channels.errors import Misconfigured, Unreachable
from consumers.messages import translate
from tests.support.mails import never_expired
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.smtp_window import ACCEPTED, connect, mails, statuses

SIGNED_IN = {"username": "User", "password": "secret"}


@pytest.mark.parametrize("offer", ["AUTH PLAIN LOGIN", "AUTH LOGIN", "AUTH CRAM-MD5"])
async def test_signing_in(offer):
    async with SmtpReceiver(extras=(offer,)) as receiver:
        connection = await connect(receiver, **SIGNED_IN)
        assert statuses(await connection.send_window(mails(1), never_expired)) == [ACCEPTED]
        connection.close()
    assert any(line.startswith(b"AUTH") for line in receiver.commands)


@pytest.mark.parametrize(
    ("offer", "reply", "error", "reason"),
    [
        ("PLAIN", b"535 5.7.8 wrong", Misconfigured, "AUTH 535"),
        ("PLAIN", b"454 4.7.0 later", Unreachable, "AUTH 454"),
        ("GSSAPI", b"", Misconfigured, "none of"),
    ],
)
async def test_a_relay_that_does_not_let_us_in(offer, reply, error, reason):
    relay = SmtpReceiver(extras=(f"AUTH {offer}",), always={"AUTH": reply})
    async with relay as receiver:
        with pytest.raises(error, match=reason):
            await connect(receiver, **SIGNED_IN)


@pytest.mark.parametrize(
    ("stage", "act"),
    [
        ("greeting", b"421 4.3.2 too busy"),
        ("greeting", b"554 5.7.1 go away"),
        ("greeting", ScriptedAction.CUT),
        ("greeting", b"hello"),
        ("EHLO", ScriptedAction.CUT),
        ("EHLO", b"421 4.3.2 too busy"),
    ],
)
async def test_a_relay_in_trouble_is_unreachable(stage, act):
    async with SmtpReceiver(always={stage: act}) as receiver:
        with pytest.raises(Unreachable):
            await connect(receiver)


async def test_a_port_that_is_closed_is_told_in_words():
    async with SmtpReceiver() as receiver:
        await receiver.stop()
        with pytest.raises(Unreachable) as away:
            await connect(receiver)
    reason = away.value.reason
    assert reason == "no connection: Connection refused"
    assert translate(reason).vi == "không kết nối được: bên kia từ chối kết nối"


@pytest.mark.parametrize("said", [b"500 what?", b"502 5.5.1 no EHLO here", b"504 no", b"550 no"])
async def test_a_relay_that_knows_helo_only_gets_the_mail(said):
    async with SmtpReceiver(always={"EHLO": said}) as receiver:
        connection = await connect(receiver)
        assert statuses(await connection.send_window(mails(3), never_expired)) == [ACCEPTED] * 3
        connection.close()
    assert [line[:4] for line in receiver.commands[:3]] == [b"EHLO", b"HELO", b"MAIL"]
    assert receiver.ahead == 0, "without PIPELINING each command waits"


@pytest.mark.parametrize("changes", [{"tls": "starttls"}, SIGNED_IN], ids=["tls", "password"])
async def test_a_relay_that_knows_helo_only_gets_no_secret_and_no_unprotected_mail(changes):
    async with SmtpReceiver(always={"EHLO": b"502 no"}) as receiver:
        with pytest.raises(Misconfigured, match="the relay offers no"):
            await connect(receiver, **changes)
    assert [line[:4] for line in receiver.commands] == [b"EHLO", b"HELO"]


@pytest.mark.parametrize("challenge", [b"334 ?", b"334", b"334 \xff\xff"])
async def test_a_challenge_that_is_none_signs_nobody_in(challenge):
    relay = SmtpReceiver(extras=("AUTH CRAM-MD5",), always={"AUTH": challenge})
    async with relay as receiver:
        with pytest.raises(Misconfigured, match="AUTH"):
            await connect(receiver, **SIGNED_IN)


async def test_noop_tells_a_living_connection_from_a_dead_one():
    async with SmtpReceiver() as receiver:
        connection = await connect(receiver)
        assert await connection.is_alive()
        receiver.always["NOOP"] = ScriptedAction.CUT
        assert not await connection.is_alive()
        assert connection.is_closed


async def test_a_missing_bundle_is_an_operators_business(tmp_path):
    settings = EmailSettings(host="127.0.0.1", from_="a@b.vn", ca_bundle=tmp_path / "none.pem")
    [relay] = load_relays(settings)
    with pytest.raises(Misconfigured, match="CA_BUNDLE"):
        tls_context(relay)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"from_": "not an address"}, "from_"),
        ({}, "LOA_EMAIL_FROM is missing"),
        ({"from_": "a@b.vn", "reply_to": "x\r\ny@b.vn"}, "reply_to"),
        ({"from_": "a@b.vn", "tls": "none", "username": "x"}, "in the clear"),
        ({"from_": "a@b.vn", "postal_address": "Số 8\r\nHà Nội"}, "postal_address"),
        *(
            ({"from_": "a@b.vn", "unsubscribe_to": to}, "unsubscribe_to")
            for to in ("Hủy <a@moha.example>", "a@b, c@d", "a@b.vn\r\nBcc: x@evil.example", "a")
        ),
    ],
)
def test_settings_that_can_not_work_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        EmailSettings(host="relay.example", **changes)


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
