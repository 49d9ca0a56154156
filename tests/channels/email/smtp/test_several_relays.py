"""Several relays: shares by weight, limits of each, and one that is left out while others go on."""

import asyncio
import ssl
import time
from collections import Counter

import pytest
import structlog
import trustme

from channels.email.relays import Portion, load_relays
from channels.email.settings import EmailSettings
from channels.email.smtp import pool as pools
from channels.email.smtp.connection import SmtpConnection
from channels.email.smtp.mail_result import MailStatus
from channels.email.smtp.pool import ConnectionPool
from channels.email.smtp.window import Envelope
from channels.errors import Busy, ChannelError, Misconfigured
from contracts.delivery import Status
from tests.support.email_pipeline import EmailPipeline, check_ledger
from tests.support.mails import email_channel
from tests.support.relay_tls import relay_context, write_bundle
from tests.support.relays_file import write_relays
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.waiting import until

READERS = 400


@pytest.fixture
def new_pipeline(bus, tmp_path):
    def new_pipeline(count=READERS, **relays):
        file = write_relays(tmp_path, **relays)
        loa = EmailPipeline(bus, tmp_path, count, 0, relays_file=file)
        loa.provider.pool.clock = loa.clock
        return loa

    return new_pipeline


@pytest.fixture
def new_pool(tmp_path):
    def new_pool(**relays):
        settings = EmailSettings(
            from_="a@moha.example", relays_file=write_relays(tmp_path, **relays)
        )
        return ConnectionPool(settings, 5.0)

    return new_pool


def on(receiver: SmtpReceiver, **changes) -> dict:
    return {"port": receiver.port, **changes}


def mail_to(address: str) -> Envelope:
    return Envelope(address.encode(), b"Subject: x\r\n\r\nx\r\n")


async def test_mails_are_shared_by_weight(new_pipeline):
    async with SmtpReceiver() as large, SmtpReceiver() as small:
        loa = new_pipeline(large=on(large, weight=3), small=on(small, weight=1))
        plan = await loa.plan()
        await loa.run(plan)
        assert (len(large.mails), len(small.mails)) == (READERS * 3 // 4, READERS // 4)
        large.mails += small.mails
        assert await check_ledger(loa, large, plan) == await loa.copies(plan) == 0


async def test_a_slow_relay_keeps_only_its_own_connections_busy(new_pool):
    async with SmtpReceiver() as slow, SmtpReceiver() as quick:
        pool = new_pool(slow=on(slow, connections=2, weight=9), quick=on(quick, connections=3))
        lent = [(await pool.acquire([mail_to("a@x.example")]))[0] for _ in range(5)]
        used = Counter(pool.loans[connection].relay.name for connection in lent)
        assert used == {"slow": 2, "quick": 3}
        with pytest.raises(Busy):
            await pool.acquire()
        quick_one = next(one for one in lent if pool.loans[one].relay.name == "quick")
        pool.release(quick_one)
        again, is_new = await pool.acquire([mail_to("a@x.example")])
        assert (again, is_new) == (quick_one, False), "the slow one gets none beyond its own"
        for connection in lent:
            connection.close()


async def test_a_relay_that_was_behind_does_not_catch_up_without_end(new_pool):
    async with SmtpReceiver() as one, SmtpReceiver() as other:
        pool = new_pool(one=on(one), other=on(other))
        window = [mail_to("a@x.example")] * 25
        pool.relays[1].share = 10_000.0
        pool.share = 10_000.0
        names = []
        for _ in range(20):
            connection, _ = await pool.acquire(window)
            names.append(pool.loans[connection].relay.name)
            pool.release(connection)
        assert names[:4] == ["one"] * 4
        assert Counter(names[4:]) == {"one": 8, "other": 8}


async def test_a_rate_is_kept_and_no_mail_is_lost(new_pool):
    async with SmtpReceiver() as relay:
        pool = new_pool(only=on(relay, mails_per_s=40))
        began, sent = time.monotonic(), 0
        while sent < 60:
            connection, _ = await pool.acquire([mail_to("a@x.example")] * 25)
            sent += len(pool.admitted(connection, 25))
            pool.release(connection)
        assert sent <= 40 * (time.monotonic() - began) + 40


async def test_a_domain_has_no_more_connections_than_it_may(new_pool):
    async with SmtpReceiver() as relay:
        pool = new_pool(only=on(relay, connections_per_domain=1))
        mixed = [mail_to("a@big.example"), mail_to("b@Big.example"), mail_to("c@small.example")]
        first, _ = await pool.acquire(mixed[:2])
        second, _ = await pool.acquire(mixed)
        assert pool.admitted(second, 3) == [2], "those of the other domain may go"
        waiting = asyncio.create_task(pool.acquire(mixed[:1]))
        await asyncio.sleep(0)
        assert not waiting.done()
        pool.release(first)
        third, _ = await waiting
        assert third is first
        for connection in (second, third):
            pool.release(connection)
        assert not pool.relays[0].domains
        pool.close()


class LoweredMeanwhile(SmtpReceiver):
    """Lowers a limit once it has begun to take its tenth mail."""

    def lower(self) -> None: ...

    def scripted_action(self, stage, recipient):
        if stage == "body" and self.number >= 10:
            act, self.lower = self.lower, lambda: None
            act()
        return super().scripted_action(stage, recipient)


def smaller_portion(pool: ConnectionPool, _folder) -> None:
    pool.use_portion(Portion(number=0, of=3))


def smaller_limit(pool: ConnectionPool, folder) -> None:
    lowered = write_relays(folder, only={"port": pool.relays[0].settings.port, "connections": 2})
    pool.use(load_relays(EmailSettings(from_="a@moha.example", relays_file=lowered)))


@pytest.mark.parametrize("lower", [smaller_portion, smaller_limit])
async def test_connections_above_a_lowered_limit_close_behind_their_mail(new_pool, tmp_path, lower):
    async with LoweredMeanwhile() as relay:
        pool = new_pool(only=on(relay, connections=6))
        lent = [(await pool.acquire())[0] for _ in range(6)]
        for idle in lent[4:]:
            pool.release(idle)
        open_after = []

        def lower_now() -> None:
            lower(pool, tmp_path)
            open_after.extend(not one.protocol.transport.is_closing() for one in lent)

        relay.lower = lower_now
        letters = [[mail_to(f"{n}@{one}.example") for n in range(25)] for one in range(4)]

        async def carry(connection: SmtpConnection, mails: list[Envelope]) -> list[MailStatus]:
            results = await connection.send_window(mails, lambda: False)
            pool.release(connection)
            return [result.status for result in results]

        results = await asyncio.gather(*map(carry, lent, letters))
        assert open_after == [True] * 4 + [False] * 2, "idle ones at once, those at work not"
        assert results == [[MailStatus.ACCEPTED] * 25] * 4, "no mail is cut"
        assert len(relay.mails) == len({mail.recipient for mail in relay.mails}) == 100
        await until(lambda: len(relay.open) == 2)
        again = [(await pool.acquire())[1] for _ in range(2)]
        assert (again, pool.relays[0].is_free) == ([False, False], False)
        for connection in pool.loans:
            connection.close()


async def test_mails_that_wait_for_a_limit_go_back_to_the_queue_in_time(new_pipeline, monkeypatch):
    monkeypatch.setattr(pools, "_TURN_PATIENCE_S", 0.0)
    async with SmtpReceiver() as relay:
        loa = new_pipeline(100, only=on(relay, mails_per_s=10))
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: 100}
        assert await check_ledger(loa, relay, plan) == await loa.copies(plan) == 0


async def test_limits_hold_back_no_reader_for_good(new_pipeline):
    async with SmtpReceiver() as relay:
        loa = new_pipeline(READERS, only=on(relay, connections_per_domain=1, connections=4))
        plans = [await loa.plan(content_id=f"tin-{number}") for number in range(3)]
        await loa.run(*plans)
        assert await check_ledger(loa, relay, *plans) == await loa.copies(*plans) == 0


async def test_one_relay_is_left_out_and_the_others_go_on(new_pipeline):
    async with SmtpReceiver() as gone, SmtpReceiver() as well:
        loa = new_pipeline(gone=on(gone), well=on(well))
        port = gone.port
        plans = [await loa.plan(content_id=f"tin-{number}") for number in range(3)]
        await loa.run(plans[0])
        before = len(gone.mails)
        await gone.stop()
        with structlog.testing.capture_logs() as logs:
            await loa.run(plans[1])
            assert await loa.status_counts(plans[1]) == {Status.DELIVERED: READERS}
            assert len(gone.mails) == before
            await gone.start(port)
            loa.clock.advance(pools.RETRY_S + 1)
            await loa.run(plans[2])
        assert len(gone.mails) > before, "it is back, and has its share again"
        events = [(one["event"], one.get("relay")) for one in logs]
        assert events.count(("relay_out", "gone")) == events.count(("relay_back", "gone")) == 1
        well.mails += gone.mails
        assert await check_ledger(loa, well, *plans) == await loa.copies(*plans) == 0


IN_TROUBLE = [
    ("MAIL", b"421 4.3.2 not now"),
    ("MAIL", b"452 4.3.1 no space"),
    ("end", b"451 4.3.0 queue write failed"),
    ("end", ScriptedAction.CUT),
    ("end", ScriptedAction.RECORD_CUT),
    ("DATA", ScriptedAction.CUT),
]


@pytest.mark.parametrize(("stage", "act"), IN_TROUBLE)
async def test_only_what_is_not_in_doubt_moves_to_another_relay(new_pipeline, stage, act):
    async with SmtpReceiver(always={stage: act}) as ill, SmtpReceiver() as well:
        loa = new_pipeline(100, ill=on(ill), well=on(well))
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + 10)
        rows = await loa.rows(plan)
        doubtful = [reader for reader, letter in rows.items() if letter == "P"]
        assert len(doubtful) == int(stage == "end" and isinstance(act, ScriptedAction))
        recipients = {mail.recipient for mail in well.mails}
        assert not recipients & {f"{reader}@example.com" for reader in doubtful}
        assert len(recipients) == 100 - len(doubtful), "what has not left, goes at once"
        ill.always.clear()
        await loa.run(plan)
        well.mails += ill.mails
        extra = await check_ledger(loa, well, plan)
        assert extra <= await loa.copies(plan) == len(doubtful)


async def test_a_relay_set_up_wrongly_is_left_out_and_a_standby_never_hides_it(new_pipeline):
    async with SmtpReceiver() as wrong, SmtpReceiver() as well, SmtpReceiver() as standby:
        spare = on(standby, weight=0)
        bad = on(wrong, tls="starttls")
        loa = new_pipeline(100, wrong=bad, well=on(well), spare=spare)
        plan = await loa.plan()
        await loa.run(plan)
        assert (len(well.mails), standby.connected) == (100, 0)
        [out] = [one for one in loa.provider.pool.relays if one.reason]
        assert (out.name, out.reason) == ("wrong", "the relay offers no STARTTLS")
        loa = new_pipeline(100, wrong=bad, spare=spare)
        with pytest.raises(Misconfigured):
            await loa.provider.pool.acquire()
        assert standby.connected == 0


async def test_a_standby_is_used_while_all_others_are_away(new_pipeline):
    async with SmtpReceiver() as one, SmtpReceiver() as other, SmtpReceiver() as standby:
        loa = new_pipeline(100, one=on(one), other=on(other), spare=on(standby, weight=0))
        await one.stop()
        first, second = [await loa.plan(content_id=f"tin-{number}") for number in range(2)]
        await loa.run(first)
        assert (len(other.mails), standby.connected) == (100, 0)
        await other.stop()
        await loa.run(second)
        assert len(standby.mails) == 100
        assert await loa.copies(first, second) == 0


async def test_a_mail_too_large_for_one_relay_waits_for_another(new_pipeline):
    async with SmtpReceiver(extras=("SIZE 500",)) as small, SmtpReceiver() as large:
        loa = new_pipeline(30, small=on(small), large=on(large))
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: 30}
        assert (len(small.mails), len(large.mails)) == (0, 30)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def client_files(authority, tmp_path_factory):
    """The bundle, the client's certificate and its key."""
    folder = tmp_path_factory.mktemp("client")
    issued = authority.issue_cert("loa.moha.example")
    issued.private_key_pem.write_to_path(folder / "loa.key")
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(folder / "loa.pem", append=number > 0)
    return write_bundle(authority, folder), folder / "loa.pem", folder / "loa.key"


def asking_for_certificates(authority):
    context = relay_context(authority)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # refused in the handshake, not later
    return context


@pytest.mark.parametrize("at_once", [False, True], ids=["starttls", "tls"])
async def test_a_relay_that_asks_for_a_certificate_gets_ours(
    new_pool, authority, client_files, at_once
):
    bundle, certificate, key = client_files
    context = asking_for_certificates(authority)
    async with SmtpReceiver(tls=context, tls_at_once=at_once) as relay:
        tls = {"tls": "tls" if at_once else "starttls", "ca_bundle": bundle}
        pool = new_pool(only=on(relay, **tls, client_certificate=certificate, client_key=key))
        connection, _ = await pool.acquire()
        [result] = await connection.send_window([mail_to("a@x.example")], lambda: False)
        assert (result.status, len(relay.mails)) == ("accepted", 1)
        connection.close()
        for changes in ({}, {"client_certificate": certificate, "client_key": bundle}):
            refused = new_pool(only=on(relay, **tls, **changes))
            with pytest.raises(ChannelError):
                await refused.acquire()
        assert len(relay.mails) == 1


def test_a_variable_sets_up_the_certificate_of_one_relay(client_files):
    bundle, certificate, key = client_files
    files = {"ca_bundle": bundle, "client_certificate": certificate, "client_key": key}
    [relay] = email_channel(tls="starttls", **files).pool.relays
    assert relay.settings.client_certificate == certificate


async def test_every_reader_gets_one_mail_while_relays_come_and_go(new_pipeline):
    """Two of three relays are stopped and started again while several items go out."""
    async with SmtpReceiver() as a, SmtpReceiver() as b, SmtpReceiver() as c:
        loa = new_pipeline(200, a=on(a), b=on(b, weight=2), c=on(c))
        plans = [await loa.plan(content_id=f"tin-{number}") for number in range(6)]
        running = asyncio.create_task(loa.run(*plans))
        for relay in (a, b, a, b):
            port, seen = relay.port, len(relay.mails)
            while not running.done() and len(relay.mails) < seen + 20:
                await asyncio.sleep(0)
            await relay.stop()
            loa.clock.advance(pools.RETRY_S / 2)
            await relay.start(port)
        await running
        c.mails += a.mails + b.mails
        extra = await check_ledger(loa, c, *plans)
        assert extra <= await loa.copies(*plans)
