"""TLS that is missing, stripped, false or old: nothing leaves in the clear, and nobody has failed.

A proxy keeps every byte on its way to the relay. While the relay is wrong the channel stands still
with its reason in the log; once the relay is right, everybody gets the mail.
"""

import ssl
import warnings
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from structlog.testing import capture_logs

from channels.email.smtp import connection
from contracts.delivery import Status
from tests.support.email_pipeline import EmailPipeline, check_ledger
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.tcp_proxy import TcpProxy

SIGNED_IN = {"username": "thong-bao", "password": "mat-khau-rat-dai"}
SECRETS = (b"@example.com", b"@moha.example", b"Subject", b"dGhvbmct", b"AUTH", b"MAIL", b"RCPT")
"""What must never be read on the wire: addresses, headers, a password's beginning, commands."""
READERS = 30
PASSING = ("connect", "STARTTLS 454", "timeout", "not an SMTP reply")
"""Reasons that may go away by themselves; all others ask for an operator."""
WRONG = timedelta(minutes=10)
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def serving(authority, *names, **validity):
    """A server's side of TLS."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ["127.0.0.1"]), **validity).configure_cert(made)
    return made


def good(authority):
    return serving(authority)


def expired(authority):
    now = datetime.now(UTC)
    return serving(authority, not_before=now - 2 * YEAR, not_after=now - YEAR)


def not_yet_valid(authority):
    now = datetime.now(UTC)
    return serving(authority, not_before=now + YEAR, not_after=now + 2 * YEAR)


def for_another_host(authority):
    return serving(authority, "relay.moha.example")


def of_an_unknown_authority(_authority):
    return serving(trustme.CA())


def tls_1_0_only(authority):
    made = serving(authority)
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.maximum_version = ssl.TLSVersion.TLSv1
    return made


CERTIFICATES = [
    (expired, "certificate has expired"),
    (not_yet_valid, "certificate is not yet valid"),
    (for_another_host, "certificate is not valid"),
    (of_an_unknown_authority, "certificate is not valid"),
    (tls_1_0_only, "connect"),  # it ends the connection
]
FALSE = pytest.mark.parametrize(
    ("made", "reason"), CERTIFICATES, ids=[made.__name__ for made, _ in CERTIFICATES]
)


def without(word):
    """An answer of the relay from which *word* has been taken out on the way."""
    return lambda data: data.replace(b"250-" + word + b"\r\n", b"").replace(
        b"250 " + word + b"\r\n", b"250 HELP\r\n"
    )


def instead(wanted, said):
    return lambda data: data.replace(wanted, said)


GO = b"220 2.0.0 go ahead\r\n"
ON_THE_WAY = {
    "stripped from the offer": (without(b"STARTTLS"), "the relay offers no STARTTLS"),
    "refused": (instead(GO, b"502 5.5.1 what?\r\n"), "STARTTLS 502"),
    "not now": (instead(GO, b"454 4.7.0 no TLS now\r\n"), "STARTTLS 454"),
    "an answer smuggled in": (instead(GO, GO + b"250 smuggled\r\n"), "smuggled"),
    "half an answer smuggled in": (instead(GO, GO + b"250 smugg"), "smuggled"),
    "rubbish behind it": (instead(GO, GO + b"\x00\xff\x17" * 40), "smuggled"),
    "rubbish instead": (instead(GO, b"\x00\xff\x17\r\n" * 40), "not an SMTP reply"),
}


async def stands_still(loa, plan, proxy, reason):
    """While the relay is wrong: no secret on the wire, no row touched, the reason in the log."""
    with capture_logs() as lines:
        await loa.run(plan, until=loa.clock() + WRONG.total_seconds())
    assert await loa.status_counts(plan) == {Status.PENDING: READERS}, "nobody has failed"
    spoken = bytes(proxy.up.bytes_seen)
    assert spoken.startswith((b"EHLO", b"\x16\x03"))
    assert [word for word in SECRETS if word in spoken] == []
    told = [line for line in lines if line["event"] == "channel_unavailable"]
    assert told
    assert all(reason in line["reason"] for line in told)
    assert {line["log_level"] for line in told} == {"warning" if reason in PASSING else "error"}
    assert proxy.connected <= WRONG.total_seconds() / 5


async def recovers(loa, plan, proxy, receiver):
    """Now everybody gets the mail, and still no address is read on the wire."""
    await loa.run(plan)
    assert b"@example.com" not in proxy.up.bytes_seen
    assert await loa.status_counts(plan) == {Status.DELIVERED: READERS}
    assert await check_ledger(loa, receiver, plan) == await loa.copies(plan) == 0


@pytest.fixture
def new_email_pipeline(bus, tmp_path, bundle):
    def house(port, **changes):
        settings = {"tls": "starttls", "ca_bundle": bundle} | SIGNED_IN | changes
        return EmailPipeline(bus, tmp_path, READERS, port, **settings)

    return house


def a_relay(**changes):
    return SmtpReceiver(**({"extras": ("AUTH PLAIN",)} | changes))


@pytest.mark.promise("5.6")
@FALSE
async def test_a_false_certificate_gets_nothing_and_a_true_one_everything(
    new_email_pipeline, authority, made, reason
):
    async with a_relay(tls=made(authority)) as receiver, TcpProxy(receiver.port) as proxy:
        proxy.up.keep = True
        loa = new_email_pipeline(proxy.port)
        plan = await loa.plan()
        await stands_still(loa, plan, proxy, reason)
        receiver.tls = good(authority)
        await recovers(loa, plan, proxy, receiver)


@FALSE
async def test_with_tls_from_the_first_byte_it_is_the_same(
    new_email_pipeline, authority, made, reason
):
    wrong = a_relay(tls=made(authority), tls_at_once=True)
    async with wrong as receiver, TcpProxy(receiver.port) as proxy:
        proxy.up.keep = True
        loa = new_email_pipeline(proxy.port, tls="tls")
        plan = await loa.plan()
        await stands_still(loa, plan, proxy, reason)
        async with a_relay(tls=good(authority), tls_at_once=True) as right:
            proxy.server_port = right.port
            await recovers(loa, plan, proxy, right)


@pytest.mark.promise("5.6")
async def test_a_relay_that_offers_no_tls_gets_nothing_until_it_does(new_email_pipeline, authority):
    async with a_relay() as receiver, TcpProxy(receiver.port) as proxy:
        proxy.up.keep = True
        loa = new_email_pipeline(proxy.port)
        plan = await loa.plan()
        await stands_still(loa, plan, proxy, "the relay offers no STARTTLS")
        receiver.tls = good(authority)
        await recovers(loa, plan, proxy, receiver)


@pytest.mark.promise("5.6")
@pytest.mark.parametrize(
    ("rewrite", "reason"), ON_THE_WAY.values(), ids=[name.replace(" ", "-") for name in ON_THE_WAY]
)
async def test_tls_that_somebody_on_the_way_tampers_with_is_not_done_without(
    new_email_pipeline, authority, rewrite, reason
):
    async with a_relay(tls=good(authority)) as receiver, TcpProxy(receiver.port) as proxy:
        proxy.up.keep, proxy.down.rewrite = True, rewrite
        loa = new_email_pipeline(proxy.port)
        plan = await loa.plan()
        await stands_still(loa, plan, proxy, reason)
        proxy.reset_faults()
        await recovers(loa, plan, proxy, receiver)


async def test_a_relay_that_falls_silent_behind_starttls_is_given_up(
    new_email_pipeline, authority, monkeypatch
):
    monkeypatch.setattr(connection, "OPEN_TIMEOUT_S", 0.2)
    async with a_relay(tls=good(authority)) as receiver, TcpProxy(receiver.port) as proxy:
        proxy.up.keep, proxy.down.swallow_after = True, 120
        loa = new_email_pipeline(proxy.port)
        plan = await loa.plan()
        await stands_still(loa, plan, proxy, "timeout")
        proxy.reset_faults()
        monkeypatch.undo()
        await recovers(loa, plan, proxy, receiver)


async def test_a_relay_that_speaks_no_tls_at_all_is_not_spoken_to(new_email_pipeline, authority):
    async with a_relay() as receiver, TcpProxy(receiver.port) as proxy:
        proxy.up.keep = True
        loa = new_email_pipeline(proxy.port, tls="tls")
        plan = await loa.plan()
        await stands_still(loa, plan, proxy, "TLS failed")
        async with a_relay(tls=good(authority), tls_at_once=True) as right:
            proxy.server_port = right.port
            await recovers(loa, plan, proxy, right)
