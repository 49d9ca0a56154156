"""`loa doctor mail`: what DNS records, the relay and a mail's own fields say of our mail."""

import asyncio
from base64 import b64encode
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from channels.email.doctor import dns_client, relay
from channels.email.doctor.finding import Finding, Level, finding_texts
from consumers.cli.doctor import examine_mail
from consumers.cli.root import app
from tests.support.cli import InProcessCli, json_output
from tests.support.dns_server import DnsServer
from tests.support.relay_tls import relay_context, write_bundle
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver

DOMAIN = "moha.example"
SILENT = {"greeting": ScriptedAction.SWALLOW}
EXTRAS = ("DSN", "SIZE 10485760")
REPORTS = "rua=mailto:dmarc@moha.example"


def an_rsa_key(bits):
    """A public key of this length, to which there is no private one: that takes long to find."""
    made = rsa.RSAPublicNumbers(65537, (1 << bits) - 1).public_key()
    return b64encode(made.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


GOOD_KEY, SHORT_KEY = an_rsa_key(2048), an_rsa_key(1024)
ED_KEY = b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()


def txt(text):
    """A TXT record, in strings of 255 bytes as long keys are written."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))


HEALTHY = {
    (DOMAIN, "TXT"): ['"another-service=1"', '"v=spf1 include:_spf.moha.example -all"'],
    ("_spf.moha.example", "TXT"): ['"v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 ~all"'],
    ("loa1._domainkey.moha.example", "TXT"): [txt(f"v=DKIM1; k=rsa; p={GOOD_KEY}")],
    ("_dmarc.moha.example", "TXT"): [txt(f"v=DMARC1; p=reject; {REPORTS}")],
    (DOMAIN, "MX"): ["10 mx.moha.example."],
}
SETTINGS = {
    "LOA_PUBLIC_URL": "https://thong-bao.moha.example",
    "LOA_EMAIL_FROM": "Bộ Nội vụ <thong-bao@moha.example>",
    "LOA_EMAIL_REPLY_TO": "Hỏi đáp <hoi-dap@moha.example>",
    "LOA_EMAIL_UNSUBSCRIBE_TO": "huy@moha.example",
    "LOA_EMAIL_POSTAL_ADDRESS": "Số 8 Tôn Thất Thuyết, Hà Nội",
    "LOA_EMAIL_DKIM_SELECTORS": "loa1",
    "LOA_EMAIL_HOST": "127.0.0.1",
}


@pytest.fixture(scope="module")
def relay_tls(tmp_path_factory):
    """A server's certificate and the file of who vouches for it."""
    authority = trustme.CA()
    return relay_context(authority), write_bundle(authority, tmp_path_factory.mktemp("ca"))


@pytest.fixture
def doctor(tmp_path, monkeypatch, relay_tls):
    """The command against a zone and a relay: its exit code, and code → finding."""
    tls, bundle = relay_tls
    monkeypatch.chdir(tmp_path)

    async def doctor(zone, *words, relay=None, silent=(), **changes):
        receiver = relay or SmtpReceiver(tls=tls, extras=EXTRAS)
        async with DnsServer(zone, silent) as dns, receiver:
            settings = {"LOA_EMAIL_PORT": str(receiver.port), "LOA_EMAIL_CA_BUNDLE": str(bundle)}
            loa = InProcessCli(SETTINGS | settings | changes, ("doctor", "mail"))
            run = await loa("--resolver", f"127.0.0.1:{dns.port}", *words, "--json")
        return run.exit_code, {one["code"]: one for one in json_output(run)}

    return doctor


def bad(findings):
    return {code for code, one in findings.items() if one["level"] != "ok"}


async def test_a_domain_in_order_and_a_good_relay_are_all_right(doctor):
    code, found = await doctor(HEALTHY)
    assert (code, bad(found)) == (0, set())
    assert set(found) == {
        "spf_ok", "dkim_ok", "dmarc_ok", "answers_ok", "relay_tls", "relay_offers", "mail_ok"
    }  # fmt: skip
    assert found["dkim_ok"]["en"].endswith("2048 bits")
    assert "PIPELINING" in found["relay_offers"]["vi"]


async def test_the_test_mail_is_sent_only_on_request(doctor, relay_tls):
    relay = SmtpReceiver(tls=relay_tls[0], extras=EXTRAS)
    await doctor(HEALTHY, relay=relay)
    assert relay.mails == []
    relay = SmtpReceiver(tls=relay_tls[0], extras=EXTRAS)
    code, found = await doctor(HEALTHY, "--to", "admin@moha.example", relay=relay)
    assert code == 0 and "sent_ok" in found
    [mail] = relay.mails
    assert mail.recipient == "admin@moha.example"
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in mail.data


async def test_a_refused_test_mail_is_a_problem(doctor, relay_tls):
    relay = SmtpReceiver(tls=relay_tls[0], extras=EXTRAS, always={"RCPT": b"550 5.7.1 no"})
    code, found = await doctor(HEALTHY, "--to", "admin@moha.example", relay=relay)
    assert (code, bad(found)) == (1, {"sent_not"})
    assert "RCPT 550 5.7.1" in found["sent_not"]["en"]


def zone_with(name, kind, *records):
    key = f"{name}.{DOMAIN}" if name else DOMAIN
    left = {known: value for known, value in HEALTHY.items() if known != (key, kind)}
    return left | ({(key, kind): list(records)} if records else {})


SPF = {
    "spf_missing": [],
    "spf_several": ['"v=spf1 -all"', '"v=spf1 mx -all"'],
    "spf_unreadable": ['"v=spf1 ipv4:203.0.113.1 -all"'],
    "spf_loop": ['"v=spf1 include:moha.example -all"'],
    "spf_lookups": ['"v=spf1 ' + "a mx " * 6 + '-all"'],
    "spf_open": ['"v=spf1 mx +all"'],
    "spf_endless": ['"v=spf1 mx"'],
    "spf_ptr": ['"v=spf1 ptr -all"'],
}
DKIM = {
    "dkim_missing": [],
    "dkim_several": ['"v=DKIM1; p="', '"v=DKIM1; p=x"'],
    "dkim_unreadable": ['"v=DKIM1; k=rsa; p=MIIB!"'],
    "dkim_revoked": ['"v=DKIM1; p="'],
    "dkim_sha1": [txt(f"v=DKIM1; h=sha1; p={GOOD_KEY}")],
    "dkim_testing": [txt(f"v=DKIM1; t=y; p={GOOD_KEY}")],
    "dkim_short": [txt(f"v=DKIM1; p={SHORT_KEY}")],
    "dkim_no_rsa": [txt(f"v=DKIM1; k=ed25519; p={ED_KEY}")],
}
DMARC = {
    "dmarc_missing": [],
    "dmarc_several": ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'],
    "dmarc_unreadable": [f'"v=DMARC1; p=refuse; {REPORTS}"'],
    "dmarc_none": [f'"v=DMARC1; p=none; {REPORTS}"'],
    "dmarc_unheard": ['"v=DMARC1; p=reject"'],
    "dmarc_unwanted": ['"v=DMARC1; p=reject; rua=mailto:a@reports.example"'],
    "dmarc_gone": [f'"v=DMARC1; p=reject; pct=20; {REPORTS}"'],
}
RECORDS = [
    *(("", "TXT", code, records) for code, records in SPF.items()),
    *(("loa1._domainkey", "TXT", code, records) for code, records in DKIM.items()),
    *(("_dmarc", "TXT", code, records) for code, records in DMARC.items()),
    ("", "MX", "answers_nowhere", []),
    ("", "MX", "answers_nowhere", ["0 ."]),
]


@pytest.mark.parametrize(
    ("name", "kind", "code", "records"),
    RECORDS,
    ids=[f"{one[2]}-{n}" for n, one in enumerate(RECORDS)],
)
async def test_each_wrong_record_is_named_and_nothing_else(doctor, name, kind, code, records):
    ended, found = await doctor(zone_with(name, kind, *records))
    assert bad(found) == {code}
    assert ended == (found[code]["level"] == "problem")
    for words in ("en", "vi", "do_en", "do_vi"):
        assert found[code][words] and "{" not in found[code][words]


async def test_keys_of_which_nobody_knows_the_names_are_a_warning(doctor):
    code, found = await doctor(HEALTHY, LOA_EMAIL_DKIM_SELECTORS="")
    assert (code, bad(found)) == (0, {"dkim_unknown"})


async def test_a_silent_name_server_is_a_problem_and_the_rest_is_examined(doctor, monkeypatch):
    monkeypatch.setattr(dns_client, "DNS_TIMEOUT_S", 2.0)  # the other questions are answered
    code, found = await doctor(HEALTHY, silent=["_dmarc.moha.example"])
    assert (code, bad(found)) == (1, {"dns_silent"})
    assert "_dmarc.moha.example" in found["dns_silent"]["vi"]
    assert {"spf_ok", "dkim_ok", "relay_tls"} <= set(found)


async def test_a_missing_setting_is_a_warning_or_a_problem(doctor):
    left_out = {
        "LOA_EMAIL_REPLY_TO": "", "LOA_EMAIL_UNSUBSCRIBE_TO": "",
        "LOA_EMAIL_POSTAL_ADDRESS": "", "LOA_PUBLIC_URL": "http://thong-bao.moha.example",
    }  # fmt: skip
    code, found = await doctor(HEALTHY, **left_out)
    missing = {"mail_no_reply", "mail_no_mailto", "mail_no_address", "mail_not_https"}
    assert (code, bad(found)) == (1, missing)
    code, found = await doctor(HEALTHY, LOA_EMAIL_HOST="")
    assert "relay_none" in bad(found)


RELAYS = {
    "relay_slow": {"pipelining": False, "extras": EXTRAS},
    "relay_no_dsn": {"extras": ("SIZE 0",)},
    "relay_small": {"extras": ("DSN", "SIZE 65536")},
}


@pytest.mark.parametrize("code", RELAYS)
async def test_what_the_relay_lacks_is_named(doctor, relay_tls, code):
    relay = SmtpReceiver(tls=relay_tls[0], **RELAYS[code])
    assert bad((await doctor(HEALTHY, relay=relay))[1]) == {code}


@pytest.mark.parametrize(
    ("reply", "codes"),
    [
        (b"554 5.7.1 <thong-bao@moha.example>: Sender access denied", "554 5.7.1"),
        (b"451 no", "451"),
    ],
)
async def test_a_relay_that_refuses_the_sender_is_a_problem(doctor, relay_tls, reply, codes):
    relay = SmtpReceiver(tls=relay_tls[0], extras=EXTRAS, always={"MAIL": reply})
    code, found = await doctor(HEALTHY, relay=relay)
    assert (code, bad(found)) == (1, {"relay_refuses"})
    said = found["relay_refuses"]
    assert said["en"].endswith(f"MAIL FROM {codes}") and codes in said["vi"]
    assert "denied" not in said["en"] + said["vi"], "it may quote an address"
    assert f"127.0.0.1:{relay.port}" in said["vi"] and "LOA_EMAIL_USERNAME" in said["do_vi"]


@pytest.mark.parametrize(
    ("domain", "sender"), [("", "thong-bao@moha.example"), ("moha.example", "b@moha.example")]
)
async def test_the_relay_is_asked_for_the_sender_of_all_mails(doctor, relay_tls, domain, sender):
    relay = SmtpReceiver(tls=relay_tls[0], extras=EXTRAS)
    assert (await doctor(HEALTHY, relay=relay, LOA_EMAIL_BOUNCE_DOMAIN=domain))[0] == 0
    assert relay.commands[-3:] == [f"MAIL FROM:<{sender}>".encode(), b"RSET", b"QUIT"]


@pytest.mark.parametrize("act", [ScriptedAction.SWALLOW, ScriptedAction.CUT])
async def test_a_relay_without_a_word_on_the_sender_is_a_problem(
    doctor, relay_tls, monkeypatch, act
):
    if act is ScriptedAction.SWALLOW:
        monkeypatch.setattr(relay, "DIALOGUE_TIMEOUT_S", 0.5)
    receiver = SmtpReceiver(tls=relay_tls[0], extras=EXTRAS, always={"MAIL": act})
    code, found = await doctor(HEALTHY, relay=receiver)
    expected = "relay_silent" if act is ScriptedAction.SWALLOW else "relay_failed"
    assert (code, bad(found)) == (1, {expected})


async def test_a_second_relay_is_examined_too(doctor, relay_tls):
    async with SmtpReceiver(tls=relay_tls[0]) as second:
        port = str(second.port)
        spare = {"LOA_EMAIL_FALLBACK_HOST": "localhost", "LOA_EMAIL_FALLBACK_PORT": port}
        code, found = await doctor(HEALTHY, **spare)
    assert (code, bad(found)) == (1, {"relay_failed"})
    assert f"localhost:{port}" in found["relay_failed"]["vi"], "its certificate is another's"


async def test_a_relay_without_tls_or_with_a_false_certificate_takes_no_mail(doctor, relay_tls):
    _, found = await doctor(HEALTHY, relay=SmtpReceiver(extras=EXTRAS))
    assert "offers no STARTTLS" in found["relay_failed"]["en"]
    strange = SmtpReceiver(tls=relay_context(trustme.CA()), extras=EXTRAS)
    code, found = await doctor(HEALTHY, relay=strange)
    assert code == 1 and "certificate is not valid" in found["relay_failed"]["en"]


async def test_a_relay_that_accepts_and_is_silent_holds_nothing_up(doctor, monkeypatch):
    """Neither of two silent relays is waited for beyond the limit of the whole dialogue."""
    monkeypatch.setattr(relay, "DIALOGUE_TIMEOUT_S", 0.3)
    async with SmtpReceiver(always=SILENT) as second, asyncio.timeout(10):
        spare = {
            "LOA_EMAIL_FALLBACK_HOST": "127.0.0.1", "LOA_EMAIL_FALLBACK_PORT": str(second.port)
        }  # fmt: skip
        code, found = await doctor(
            HEALTHY, "--to", "admin@moha.example", relay=SmtpReceiver(always=SILENT), **spare
        )
    assert (code, bad(found)) == (1, {"relay_silent", "sent_not"})
    assert "timeout" not in found["sent_not"]["vi"], "its reason is Vietnamese there"
    assert {"spf_ok", "mail_ok"} <= set(found)


async def test_a_finding_is_told_before_the_relay_answers(tmp_path, monkeypatch, relay_tls):
    """The records are told while a relay says nothing, for however long."""
    monkeypatch.setattr(relay, "DIALOGUE_TIMEOUT_S", 3600.0)
    monkeypatch.chdir(tmp_path)
    async with DnsServer(HEALTHY) as dns, SmtpReceiver(always=SILENT) as silent:
        for name, value in (SETTINGS | {"LOA_EMAIL_PORT": str(silent.port)}).items():
            monkeypatch.setenv(name, value)
        async with asyncio.timeout(10), aclosing(examine_mail("", ("127.0.0.1", dns.port))) as told:
            async for one in told:
                if one.code == "dmarc_ok":
                    return
    pytest.fail("no finding about DMARC")


async def test_a_certificate_that_ends_soon_is_told_in_time(doctor, relay_tls, tmp_path):
    authority, ends = trustme.CA(), datetime.now(UTC) + timedelta(days=10)
    relay = SmtpReceiver(tls=relay_context(authority, not_after=ends), extras=EXTRAS)
    bundle = write_bundle(authority, tmp_path)
    code, found = await doctor(HEALTHY, relay=relay, LOA_EMAIL_CA_BUNDLE=str(bundle))
    assert (code, bad(found)) == (0, {"relay_ends"})
    assert f"{ends:%d/%m/%Y}" in found["relay_ends"]["vi"]


def test_every_finding_has_its_words_in_both_languages():
    for code, said in finding_texts().items():
        if code == "sample":
            continue
        assert Level(said["level"])
        assert said["en"] and said["vi"]
        assert (said["level"] == "ok") == ("do_en" not in said) == ("do_vi" not in said)
        assert Finding(code).topic in {
            "dns", "spf", "dkim", "dmarc", "answers", "relay", "ptr", "mail", "sent"
        }  # fmt: skip


@pytest.mark.parametrize("words", [("--to", "a b"), ("--resolver", "127.0.0.1:x")])
def test_wrong_input_is_told_in_both_languages(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(app, ["doctor", "mail", *words], env=SETTINGS)
    assert run.exit_code == 2
    assert len(run.stderr.splitlines()) == 2


def test_people_read_it_in_both_languages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dns_client, "DNS_TIMEOUT_S", 0.2)
    known = SETTINGS | {"LOA_EMAIL_HOST": ""}
    run = CliRunner().invoke(app, ["doctor", "mail", "--resolver", "127.0.0.1:9"], env=known)
    assert run.exit_code == 1
    assert "PROBLEM relay: no relay is configured" in run.stdout
    assert "-> đặt LOA_EMAIL_HOST" in run.stdout
