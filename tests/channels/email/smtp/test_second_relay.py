"""A second relay while the first is away, and a relay's log that answers a doubt."""

import asyncio
import os
import threading

import pytest
import structlog

from channels.email.smtp import pool, relay_log
from channels.email.smtp.relay_log import RelayLog
from contracts.delivery import Status
from tests.support.email_pipeline import (
    EmailPipeline,
    check_ledger,
    mails_by_reader,
    message_id,
)
from tests.support.scripted_channel import reader_ids
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import LimitedSessions, SmtpReceiver

READERS = 30


@pytest.fixture
def new_email_pipeline(bus, tmp_path):
    def new_pipeline(port, count=READERS, **changes):
        loa = EmailPipeline(bus, tmp_path, count, port, **changes)
        loa.provider.pool.clock = loa.clock
        return loa

    return new_pipeline


def fallback(receiver: SmtpReceiver) -> dict:
    return {"fallback_host": "127.0.0.1", "fallback_port": receiver.port, "fallback_tls": "none"}


async def test_the_second_relay_is_used_while_the_first_is_away_and_not_after(new_email_pipeline):
    async with SmtpReceiver() as first, SmtpReceiver() as second:
        loa = new_email_pipeline(first.port, **fallback(second))
        port = first.port
        await first.stop()
        with structlog.testing.capture_logs() as logs:
            plans = [await loa.plan(content_id=f"tin-{number}") for number in range(3)]
            await loa.run(plans[0])
            await loa.run(plans[1])
            await first.start(port)
            loa.clock.advance(pool.RETRY_S + 1)
            await loa.run(plans[2])
        for plan in plans:
            assert await loa.status_counts(plan) == {Status.DELIVERED: READERS}
        assert (len(first.mails), len(second.mails)) == (READERS, 2 * READERS)
        events = [one["event"] for one in logs]
        assert (events.count("relay_out"), events.count("relay_back")) == (1, 1)
        assert second.connected == 1, "the connection is kept meanwhile"
        assert await loa.copies(*plans) == 0


TROUBLE = [
    ("MAIL", b"421 4.3.2 not now"),
    ("MAIL", b"452 4.3.1 no space"),
    ("RCPT", b"451 4.3.0 lookup failed"),
    ("DATA", ScriptedAction.SWALLOW),
    ("end", b"451 4.3.0 queue write failed"),
    ("end", b"421 4.3.2 shutting down"),
    ("end", ScriptedAction.SWALLOW),
]


@pytest.mark.parametrize(("stage", "act"), TROUBLE)
async def test_the_second_relay_takes_over_in_a_transaction(new_email_pipeline, stage, act):
    async with SmtpReceiver(always={stage: act}) as first, SmtpReceiver() as second:
        patience = {"timeout_s": 0.5} if act is ScriptedAction.SWALLOW else {}
        loa = new_email_pipeline(first.port, **patience, **fallback(second))
        plan = await loa.plan()
        with structlog.testing.capture_logs() as logs:
            await loa.run(plan, until=loa.clock() + 10)
        in_doubt = int(act is ScriptedAction.SWALLOW and stage == "end")
        counted = await loa.status_counts(plan)
        assert counted[Status.DELIVERED] == READERS - in_doubt, "what has not left, goes at once"
        assert [one["event"] for one in logs].count("relay_out") == 1
        first.always.clear()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: READERS}
        assert await loa.copies(plan) == in_doubt
        second.mails += first.mails
        await check_ledger(loa, second, plan)
        first.mails.clear()
        loa.clock.advance(pool.RETRY_S + 1)
        await loa.run(await loa.plan(content_id="later"))
        assert len(first.mails) == READERS, "the first one is back"


async def test_readers_who_are_put_off_keep_the_first_relay(new_email_pipeline):
    script = {("RCPT", 3): b"450 4.2.1 mailbox busy", ("RCPT", 7): b"451 4.7.1 greylisted"}
    async with SmtpReceiver(script=script) as first, SmtpReceiver() as second:
        loa = new_email_pipeline(first.port, **fallback(second))
        await loa.run(await loa.plan())
        assert (len(first.mails), second.connected) == (READERS, 0)


async def test_one_tries_the_first_relay_and_no_other_waits_for_it(new_email_pipeline):
    async with SmtpReceiver(always={"greeting": b"421 no"}) as first, SmtpReceiver() as second:
        loa = new_email_pipeline(first.port, **fallback(second))
        await loa.run(await loa.plan())
        dialled = first.connected
        loa.clock.advance(pool.RETRY_S + 1)
        opened = await asyncio.gather(*(loa.provider.pool.acquire() for _ in range(4)))
        assert first.connected == dialled + 1
        for connection, _ in opened:
            connection.close()


async def test_a_relay_that_is_silent_on_one_connection_is_not_asked_on_each(new_email_pipeline):
    async with SmtpReceiver() as first:
        loa = new_email_pipeline(first.port)
        pool = loa.provider.pool
        opened = [(await pool.acquire())[0] for _ in range(8)]
        for connection in opened:
            pool.release(connection)
        loa.clock.advance(60)
        first.always["NOOP"] = ScriptedAction.CUT
        connection, is_new = await pool.acquire()
        assert is_new and first.commands.count(b"NOOP") == 1
        connection.close()


@pytest.mark.parametrize("said", [b"452 4.5.3 too many messages", b"452 too many recipients"])
async def test_a_session_that_is_full_is_followed_by_a_new_one_at_once(new_email_pipeline, said):
    async with LimitedSessions(limit=10, said=said) as relay:
        loa = new_email_pipeline(relay.port, 120)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: 120}
        assert await check_ledger(loa, relay, plan) == await loa.copies(plan) == 0
    assert len(loa.wakes) == 1, "nobody has waited"
    assert relay.refused <= 25, "and the relay had to say it once"
    assert relay.connected == 12


async def test_a_first_mail_that_is_put_off_is_no_full_session(new_email_pipeline):
    async with LimitedSessions(limit=0) as relay:
        loa = new_email_pipeline(relay.port, 5)
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + 50)
        assert await loa.status_counts(plan) == {Status.DEFERRED: 5}
    assert relay.connected <= len(loa.wakes)


async def test_when_both_are_away_both_are_tried_again(new_email_pipeline):
    async with SmtpReceiver() as first, SmtpReceiver() as second:
        loa = new_email_pipeline(first.port, **fallback(second))
        port = first.port
        await first.stop()
        await second.stop()
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + 40)
        assert await loa.status_counts(plan) == {Status.PENDING: READERS}
        await first.start(port)
        await second.start()
        await loa.run(plan)
        assert len(first.mails) == READERS


async def test_a_mail_in_doubt_at_the_first_goes_to_the_second_and_is_declared(new_email_pipeline):
    async with (
        SmtpReceiver(script={("end", 3): ScriptedAction.RECORD_CUT}) as first,
        SmtpReceiver() as second,
    ):
        loa = new_email_pipeline(first.port, **fallback(second))
        plan = await loa.plan()
        open_connection = loa.provider.pool.open

        async def gone(relay, *timeout_s):
            """The first relay is away from its first trouble on."""
            if first.mails and relay.settings.port == first.port:
                relay.settings = relay.settings.model_copy(update={"port": 1})
            return await open_connection(relay, *timeout_s)

        loa.provider.pool.open = gone
        await loa.run(plan)
        twice = reader_ids(READERS)[3]
        got = [mail.message_id for mail in first.mails + second.mails]
        assert sorted(set(got)) == sorted(message_id(plan, one) for one in reader_ids(READERS))
        assert got.count(message_id(plan, twice)) == 2
        assert len(got) == READERS + 1
        assert await loa.copies(plan) == 1, "a copy is never unsaid"


async def test_a_first_relay_that_is_set_up_wrongly_asks_for_an_operator(new_email_pipeline):
    async with SmtpReceiver() as first, SmtpReceiver() as second:
        loa = new_email_pipeline(first.port, tls="starttls", **fallback(second))
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + 40)
        assert await loa.status_counts(plan) == {Status.PENDING: READERS}
        assert second.connected == 0


# ---- the relay's log


def logged(message: str, queue="DE6FEAE2095", *, whole=True, status="sent") -> str:
    """The lines of one mail in Postfix's log; *whole*: it has come into the queue."""
    head = "Nov 26 13:58:46 relay postfix/"
    lines = [f"{head}cleanup[29]: {queue}: message-id={message}"]
    if whole:
        envelope = "from=<b+p1.0.0=ab@x.example>, size=307, nrcpt=1 (queue active)"
        lines.append(f"{head}qmgr[24]: {queue}: {envelope}")
    if status:
        tail = f"relay=127.0.0.1[127.0.0.1]:25, dsn=2.0.0, status={status} (250 2.0.0 Ok)"
        lines.append(f"{head}smtp[30]: {queue}: to=<an@example.com>, {tail}")
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture
def write_relay_log(tmp_path):
    def write(text: str, name="mail.log") -> RelayLog:
        (tmp_path / name).write_text(text)
        return RelayLog(tmp_path / "mail.log")

    return write


A, B, C = (f"<{letter * 4}@moha.example>" for letter in "abc")
CUT_OFF = logged(A, whole=False, status="")


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        (logged(A), {A}),
        (logged(A, status=""), {A}),
        (logged(A, "4fXyZ91Sz2zB", whole=False, status="bounced"), {A}),
        (logged(A, whole=False, status="deferred"), {A}),
        (CUT_OFF, set()),
        (CUT_OFF + logged(B, "DE6FEAE2096"), {B}),
        (logged(C), set()),
        (CUT_OFF + logged(C), set()),
        (CUT_OFF + logged("<>"), set()),
        (CUT_OFF + logged("without-brackets"), set()),
        (CUT_OFF + logged(f"<{'x' * 400}@moha.example>"), set()),
        ("", set()),
        (f"rubbish\n{A}\n message-id={A}\n", set()),
    ],
)
async def test_only_what_the_relay_has_taken_whole_counts(write_relay_log, text, taken):
    assert await write_relay_log(text).accepted_ids([A, B]) == taken


async def test_what_was_logged_before_the_log_was_rotated_counts(write_relay_log):
    log = write_relay_log(logged(A), "mail.log.1")
    write_relay_log(logged(B, "DE6FEAE2096", status=""))
    assert await log.accepted_ids([A, B]) == {A, B}


async def test_a_log_is_read_in_pieces_and_not_beyond_its_limit(write_relay_log, monkeypatch):
    text = logged(A) + "x" * 70 + "\n" + "y\n" * 3000 + logged(B, "DE6FEAE2096")
    monkeypatch.setattr(relay_log, "CHUNK_BYTES", 64)
    assert await write_relay_log(text).accepted_ids([A, B]) == {A, B}
    monkeypatch.setattr(relay_log, "READ_MAX", 3000)
    assert await write_relay_log(text).accepted_ids([A, B]) == {B}


async def test_a_log_that_cannot_be_read_answers_nothing(tmp_path):
    with structlog.testing.capture_logs() as logs:
        assert await RelayLog(tmp_path / "none").accepted_ids([A]) == frozenset()
    assert [one["event"] for one in logs] == ["relay_log_unreadable"]


async def test_a_log_on_a_disk_that_hangs_holds_up_nothing(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo")
    assert await RelayLog(tmp_path / "fifo").accepted_ids([A]) == frozenset(), "no file"
    monkeypatch.setattr(relay_log, "READ_TIMEOUT_S", 0.05)
    log, hanging, threads = RelayLog(tmp_path / "mail.log"), threading.Event(), set()

    def hang(_wanted):
        threads.add(threading.current_thread())
        hanging.wait(30)
        return set()

    log.search = hang
    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            assert await log.accepted_ids([A]) == frozenset()
    assert [one["event"] for one in logs] == ["relay_log_unreadable"] * 4
    assert len(threads) == 1, "one thread waits, however often it is asked"
    assert all(thread.daemon for thread in threads), "and no stop waits for it"
    hanging.set()


async def test_batches_in_doubt_at_the_same_time_are_all_answered(write_relay_log):
    log = write_relay_log(logged(A) + logged(B, "DE6FEAE2096"))
    answers = await asyncio.gather(*(log.accepted_ids([one]) for one in (A, B, C, A)))
    assert answers == [{A}, {B}, set(), {A}]


async def test_a_doubt_is_answered_from_the_log_and_the_rest_resent(new_email_pipeline, tmp_path):
    script = {("end", 3): ScriptedAction.RECORD_CUT, ("end", 20): ScriptedAction.CUT}
    async with SmtpReceiver(script=script) as receiver:
        loa = new_email_pipeline(receiver.port, relay_log=tmp_path / "mail.log")
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + 1)
        doubtful = [one for one, letter in (await loa.rows(plan)).items() if letter == "P"]
        assert doubtful == [reader_ids(READERS)[3]]
        text = logged(message_id(plan, doubtful[0]))
        (tmp_path / "mail.log").write_text(text)
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: READERS}
        assert max(map(len, mails_by_reader(receiver).values())) == 1, "nobody gets it twice"
        assert await loa.copies(plan) == 1, "the one whose mail the log does not know"
        assert (await loa.why(plan))[doubtful[0]] == "the relay's log"
