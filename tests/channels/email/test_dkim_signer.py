"""Our own DKIM signatures, judged by a verifier that shares no code with the signer."""

import re

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Canary
from channels.email.channel import EmailSession
from channels.email.dkim_signer import OVERSIGNED_FIELDS, SIGNED_FIELDS, DkimSigner, open_signer
from channels.email.return_path import ReturnPaths
from channels.email.settings import EmailSettings
from contracts.errors import Invalid, field_error
from tests.support.dkim_verifier import is_signed
from tests.support.email_pipeline import EmailPipeline, check_ledger
from tests.support.mails import (
    a_full_publication,
    email_channel,
    mail_recipient,
    without_dot_stuffing,
)
from tests.support.smtp_receiver import SmtpReceiver

KEYS = {"rsa": generate_private_key(65537, 2048), "ed25519": Ed25519PrivateKey.generate()}
KINDS = pytest.mark.parametrize("kind", KEYS)


def pem(key, password=None) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    protection = serialization.NoEncryption()
    if password:
        protection = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, form, protection)


@pytest.fixture
def write_key(tmp_path):
    def write(key, mode=0o600, password=None):
        path = tmp_path / "dkim.pem"
        path.write_bytes(key if isinstance(key, bytes) else pem(key, password))
        path.chmod(mode)
        return path

    return write


def signer(kind="rsa") -> DkimSigner:
    return DkimSigner("moha.example", "loa1", KEYS[kind])


def is_valid(signed: bytes, by: DkimSigner) -> bool:
    """Whether *signed*, as DATA carries it, is valid by the record that we publish."""
    return is_signed(without_dot_stuffing(signed), by.record_name, by.record)


def stuffed(mail: bytes) -> bytes:
    doubled = mail.replace(b"\r\n.", b"\r\n..")
    return doubled if doubled.endswith(b"\r\n") else doubled + b"\r\n"


def signed_names(mail: bytes) -> list[str]:
    names = re.search(rb"\r\n h=([^;]+);", mail)[1]
    return re.sub(r"\s", "", names.decode()).split(":")


@KINDS
def test_a_mail_to_readers_is_signed_whole(kind, write_key):
    settings = {"dkim_key_file": write_key(KEYS[kind]), "dkim_selector": "loa1"}
    channel = email_channel(unsubscribe_to="leave@moha.example", **settings)
    channel.return_paths = ReturnPaths(b"k" * 32, "bounces.moha.example")
    publication = a_full_publication()
    session, rendered = EmailSession(channel, None, True), channel.render(publication)
    mails = [
        session.envelope(rendered, mail_recipient(number, publication)).body for number in (1, 2)
    ]
    for mail in mails:
        assert is_valid(mail, channel.dkim)
        assert max(map(len, mail.split(b"\r\n"))) <= 998
        names = signed_names(mail)
        headers = mail.partition(b"\r\n\r\n")[0].decode()
        present = [name for name in SIGNED_FIELDS if re.search(f"(?m)^{name}:", headers)]
        assert {"List-Unsubscribe", "List-Unsubscribe-Post", "Message-ID"} < set(present)
        assert names == [*present, *OVERSIGNED_FIELDS]
    assert mails[0] != mails[1]
    again = session.envelope(rendered, mail_recipient(1, publication)).body
    assert again == mails[0], "the same row gives the same bytes for ever"


@KINDS
@pytest.mark.parametrize("changed", ["a body", "a field", "a second Subject", "no way to leave"])
def test_a_mail_that_was_changed_is_no_longer_valid(kind, changed):
    channel = email_channel()
    publication = a_full_publication()
    body = channel.render(publication).envelope(mail_recipient(0, publication)).body
    signed = signer(kind).sign(body)
    forged = {
        "a body": signed.replace(b"Content-Transfer", b"content-transfer", 1),
        "a field": signed.replace(b"\r\nDate: ", b"\r\nDate: x", 1),
        "a second Subject": signed.replace(b"\r\nSubject:", b"\r\nSubject: y\r\nSubject:", 1),
        "no way to leave": re.sub(rb"\r\nList-Unsubscribe-Post: [^\r]*", b"", signed),
    }[changed]
    assert is_valid(signed, signer(kind))
    assert forged != signed
    assert not is_valid(forged, signer(kind))


LINES = st.lists(
    st.text(alphabet=st.sampled_from('a. \t=b:;"<'), max_size=12), min_size=0, max_size=12
)


@given(lines=LINES, subject=st.text(alphabet=st.sampled_from("xy \t"), max_size=20))
def test_whatever_the_text_is_the_signature_is_valid(lines, subject):
    folded = "\r\n ".join(re.findall(".{1,7}", f"s{subject}s"))
    header = f"From: a@moha.example\r\nTo:b@x.example\r\nSubject:  {folded} \r\nMessage-ID: <1@m>"
    mail = stuffed((header + "\r\n\r\n" + "\r\n".join(lines)).encode())
    by = signer("ed25519")
    assert is_valid(by.sign(mail), by)


@KINDS
def test_the_key_in_use_is_the_one_that_is_published(kind):
    wrong = DkimSigner("moha.example", "loa1", KEYS[kind])
    wrong.selector = "loa2"
    assert signer(kind).record.startswith(f"v=DKIM1; k={kind}; p=")
    mail = b"From: a@moha.example\r\nSubject: x\r\n\r\nx\r\n"
    assert not is_valid(wrong.sign(mail), signer(kind))


async def test_mails_arrive_signed_and_so_does_the_canary(bus, tmp_path, write_key):
    settings = {"dkim_key_file": write_key(KEYS["ed25519"]), "dkim_selector": "loa1"}
    async with SmtpReceiver() as relay:
        loa = EmailPipeline(bus, tmp_path, 60, relay.port, **settings)
        plan = await loa.plan()
        await loa.run(plan)
        by = loa.provider.dkim
        assert all(is_valid(mail.raw, by) for mail in relay.mails)
        async with loa.provider.session() as session:
            canary = Canary(1, a_full_publication().released_at, "op@moha.example")
            await session.probe(canary)
        assert len(relay.mails) == 61
        assert is_valid(relay.mails.pop().raw, by)
        unsigned = [re.sub(rb"(?s)^DKIM.*?\r\n(?! )", b"", mail.raw) for mail in relay.mails]
        relay.mails[:] = [
            mail._replace(raw=raw) for mail, raw in zip(relay.mails, unsigned, strict=True)
        ]
        assert await check_ledger(loa, relay, plan) == 0


@pytest.mark.parametrize(
    ("key", "options", "code"),
    [
        (KEYS["rsa"], {"mode": 0o640}, "dkim_key_open"),
        (generate_private_key(65537, 1024), {}, "dkim_key_unusable"),
        (KEYS["rsa"], {"password": b"x"}, "dkim_key_unusable"),
        (b"no key", {}, "dkim_key_unusable"),
    ],
)
def test_a_key_that_can_not_be_used_is_refused(write_key, key, options, code):
    path = write_key(key, **options)
    settings = EmailSettings(from_="a@moha.example", dkim_key_file=path, dkim_selector="loa1")
    with pytest.raises(Invalid) as refused:
        open_signer(settings)
    [error] = refused.value.errors
    assert error == field_error("LOA_EMAIL_DKIM_KEY_FILE", code, value=path)


@pytest.mark.parametrize("selector", ["", "a,b"])
def test_a_key_needs_one_selector(write_key, selector):
    with pytest.raises(ValueError, match="DKIM_SELECTOR"):
        EmailSettings(dkim_key_file=write_key(KEYS["rsa"]), dkim_selector=selector)
