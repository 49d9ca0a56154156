"""TLS that is missing, stripped, false or old: nothing leaves in the clear, and no row has failed.

A proxy keeps every byte on its way to the relay. While the relay is wrong the channel is halted
with its reason in the log; once the relay is right, every reader gets the mail.
"""

import ssl
import warnings
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from structlog.testing import capture_logs

from channels.email.smtp import connection
from contracts.delivery import Status
from tests.support.email_pipeline import EmailPipeline, check_ledger
from tests.support.relay_tls import relay_context, write_bundle
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.tcp_proxy import TcpProxy

SIGNED_IN = {"username": "thong-bao", "password": "mat-khau-rat-dai"}
SECRETS = (b"@example.com", b"@moha.example", b"Subject", b"dGhvbmct", b"AUTH", b"MAIL", b"RCPT")
"""Bytes that must never be read on the wire: addresses, headers, a password's start, commands."""
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
    return write_bundle(authority, tmp_path_factory.mktemp("ca"))


def tls_1_0_only(authority):
    context = relay_context(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1
    return context


NOW = datetime.now(UTC)
CERTIFICATES = {
    "expired": (
        lambda ca: relay_context(ca, not_before=NOW - 2 * YEAR, not_after=NOW - YEAR),
        "certificate has expired",
    ),
    "not yet valid": (
        lambda ca: relay_context(ca, not_before=NOW + YEAR, not_after=NOW + 2 * YEAR),
        "certificate is not yet valid",
    ),
    "another host": (lambda ca: relay_context(ca, "other.example"), "certificate is not valid"),
    "unknown": (lambda _ca: relay_context(trustme.CA()), "certificate is not valid"),
    "old": (tls_1_0_only, "connect"),  # it ends the connection
}


def without(word):
    """An answer of the relay from which *word* has been taken out on the way."""
    first, last = b"250-%b\r\n" % word, b"250 %b\r\n" % word
    return lambda data: data.replace(first, b"").replace(last, b"250 HELP\r\n")


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


class TlsBench:
    """A relay behind a proxy that keeps what goes up, and mail that waits for that relay."""

    def __init__(self, loa, plan, proxy, receiver):
        self.loa, self.plan, self.proxy, self.receiver = loa, plan, proxy, receiver

    async def stands_still(self, reason):
        """While the relay is wrong: no secret on the wire, no row touched, a reason in the log."""
        with capture_logs() as lines:
            await self.loa.run(self.plan, until=self.loa.clock() + WRONG.total_seconds())
        assert await self.loa.status_counts(self.plan) == {Status.PENDING: READERS}
        spoken = bytes(self.proxy.up.bytes_seen)
        assert spoken.startswith((b"EHLO", b"\x16\x03"))
        assert [word for word in SECRETS if word in spoken] == []
        logged = [line for line in lines if line["event"] == "channel_unavailable"]
        assert logged
        assert all(reason in line["reason"] for line in logged)
        level = "warning" if reason in PASSING else "error"
        assert {line["log_level"] for line in logged} == {level}
        assert self.proxy.connected <= WRONG.total_seconds() / 5

    async def recovers(self):
        """Now every reader gets the mail, and still no address is read on the wire."""
        loa, plan = self.loa, self.plan
        await loa.run(plan)
        assert b"@example.com" not in self.proxy.up.bytes_seen
        assert await loa.status_counts(plan) == {Status.DELIVERED: READERS}
        assert await check_ledger(loa, self.receiver, plan) == await loa.copies(plan) == 0


@pytest.fixture
def open_bench(bus, tmp_path, bundle):
    """Opens a bench with a relay whose TLS is *context*; *at_once*: without STARTTLS."""

    @asynccontextmanager
    async def open_bench(context, at_once=False):
        relay = SmtpReceiver(extras=("AUTH PLAIN",), tls=context, tls_at_once=at_once)
        async with relay as receiver, TcpProxy(receiver.port) as proxy:
            proxy.up.keep = True
            settings = {"tls": "tls" if at_once else "starttls", "ca_bundle": bundle} | SIGNED_IN
            loa = EmailPipeline(bus, tmp_path, READERS, proxy.port, **settings)
            yield TlsBench(loa, await loa.plan(), proxy, receiver)

    return open_bench


@asynccontextmanager
async def replaced(bench, context, at_once=True):
    """Another relay; *at_once*: it speaks TLS from the first byte."""
    relay = SmtpReceiver(extras=("AUTH PLAIN",), tls=context, tls_at_once=at_once)
    async with relay as bench.receiver:
        bench.proxy.server_port = bench.receiver.port
        yield


@pytest.mark.promise("5.6")
@pytest.mark.parametrize("at_once", [False, True], ids=["starttls", "tls"])
@pytest.mark.parametrize(("made", "reason"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_only_a_true_certificate_gets_anything(open_bench, authority, made, reason, at_once):
    async with open_bench(made(authority), at_once) as bench:
        await bench.stands_still(reason)
        async with replaced(bench, relay_context(authority), at_once):
            await bench.recovers()


@pytest.mark.promise("5.6")
async def test_a_relay_that_offers_no_tls_gets_nothing_until_it_does(open_bench, authority):
    async with open_bench(None) as bench:
        await bench.stands_still("the relay offers no STARTTLS")
        bench.receiver.tls = relay_context(authority)
        await bench.recovers()


@pytest.mark.promise("5.6")
@pytest.mark.parametrize(
    ("rewrite", "reason"), ON_THE_WAY.values(), ids=[name.replace(" ", "-") for name in ON_THE_WAY]
)
async def test_tampering_never_turns_tls_off(open_bench, authority, rewrite, reason):
    async with open_bench(relay_context(authority)) as bench:
        bench.proxy.down.rewrite = rewrite
        await bench.stands_still(reason)
        bench.proxy.reset_faults()
        await bench.recovers()


async def test_a_relay_silent_behind_starttls_is_given_up(open_bench, authority, monkeypatch):
    monkeypatch.setattr(connection, "REPLY_TIMEOUT_S", 0.2)
    async with open_bench(relay_context(authority)) as bench:
        bench.proxy.down.swallow_after = 120
        await bench.stands_still("timeout")
        bench.proxy.reset_faults()
        monkeypatch.undo()
        await bench.recovers()


async def test_a_relay_that_speaks_no_tls_at_all_is_not_spoken_to(open_bench, authority):
    async with open_bench(None, at_once=True) as bench:
        await bench.stands_still("TLS failed")
        async with replaced(bench, relay_context(authority)):
            await bench.recovers()
