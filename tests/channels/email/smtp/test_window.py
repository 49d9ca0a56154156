"""A window of mails on the wire: what is said of each mail, wherever the conversation breaks."""

import asyncio
import gc
import random

import pytest

from channels.email.smtp.mail_result import RefusalHint, Stage
from channels.email.smtp.window import WindowTransfer
from tests.support.mails import never_expired
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver, accepted_mails
from tests.support.smtp_window import (
    ACCEPTED,
    BOTH,
    DOUBT,
    REFUSED,
    UNSENT,
    connect,
    connected,
    mail,
    mails,
    received,
    recipient_names,
    send,
    statuses,
)
from tests.support.waiting import until

CUT, LAST, SWALLOW = ScriptedAction.CUT, ScriptedAction.LAST, ScriptedAction.SWALLOW
STAGES = ("MAIL", "RCPT", "DATA", "body", "end")
CLOSING = b"421 4.3.2 shutting down"


@BOTH
async def test_a_window_goes_out_in_order_and_every_mail_is_accepted(pipelining, tmp_path):
    async with SmtpReceiver(record=tmp_path / "record", pipelining=pipelining) as receiver:
        results = await send(receiver, 25)
    assert statuses(results) == [ACCEPTED] * 25
    sent = [(f"a{n}@example.com", f"<{n}@example.com>") for n in range(25)]
    assert accepted_mails(tmp_path / "record") == sent
    assert [mail.data for mail in receiver.mails] == [mail(n).body for n in range(25)]
    assert receiver.ahead == 0


@BOTH
async def test_a_connection_serves_window_after_window_and_empty_ones(pipelining):
    async with SmtpReceiver(pipelining=pipelining) as receiver, connected(receiver) as connection:
        for count in (2, 0, 2):
            results = await connection.send_window(mails(count), never_expired)
            assert statuses(results) == [ACCEPTED] * count
    assert receiver.connected == 1


_SILENCE_S = 1.0
"""The wait for a relay that says nothing more; what it says before comes within it."""
BROKEN = [
    *((step, act, UNSENT) for step in ("MAIL", "RCPT", "DATA") for act in (CUT, SWALLOW, CLOSING)),
    ("MAIL", LAST, UNSENT),
    ("MAIL", b"354 what?", UNSENT),
    ("RCPT", LAST, UNSENT),
    ("DATA", b"250 what?", UNSENT),
    ("DATA", b"354 go\r\n250 2.0.0 queued already", UNSENT),
    ("body", CUT, DOUBT),
    ("end", CUT, DOUBT),
    ("end", SWALLOW, DOUBT),
    ("end", b"354 what?", DOUBT),
    ("end", b"not a reply at all", DOUBT),
    ("end", ScriptedAction.RECORD_CUT, DOUBT),
    ("end", ScriptedAction.RECORD_SWALLOW, DOUBT),
    ("end", LAST, ACCEPTED),
    ("end", CLOSING, REFUSED),
]
"""Stage of the second mail, the relay's fault there, and the mail's status."""


@BOTH
@pytest.mark.parametrize(
    ("stage", "act", "status"),
    BROKEN,
    ids=[f"{stage}-{getattr(act, 'value', act)!s:.12}" for stage, act, _ in BROKEN],
)
async def test_a_mail_is_in_doubt_only_if_its_end_left(pipelining, stage, act, status):
    is_silent = act in (SWALLOW, ScriptedAction.RECORD_SWALLOW)
    async with SmtpReceiver(pipelining=pipelining, script={(stage, 1): act}) as receiver:
        results = await send(receiver, timeout_s=_SILENCE_S if is_silent else 30)
    assert statuses(results) == [ACCEPTED, status, UNSENT, UNSENT]
    arrived = status is ACCEPTED or "record" in str(getattr(act, "value", ""))
    assert received(receiver) == recipient_names(*range(1 + arrived))
    assert all(result.cause for result in results[2:])


@BOTH
@pytest.mark.parametrize(
    ("stage", "text", "code", "enhanced", "hint"),
    [
        ("MAIL", b"550 5.7.1 sender rejected", 550, "5.7.1", RefusalHint.NONE),
        ("RCPT", b"550 5.1.1 <a@b>: no such user", 550, "5.1.1", RefusalHint.NO_SUCH_USER),
        ("RCPT", b"450 4.2.1 try later", 450, "4.2.1", RefusalHint.NONE),
        ("RCPT", b"550-5.1.1 no such\r\n550 5.1.1 user", 550, "5.1.1", RefusalHint.NO_SUCH_USER),
        ("DATA", b"451 4.3.0 not now", 451, "4.3.0", RefusalHint.NONE),
        ("end", b"554 this looks like spam", 554, "", RefusalHint.POLICY),
        ("end", b"552 5.2.2 mailbox full", 552, "5.2.2", RefusalHint.FULL),
    ],
)
async def test_a_refused_mail_says_why_others_go_on(pipelining, stage, text, code, enhanced, hint):
    relay = SmtpReceiver(pipelining=pipelining, script={(stage, 1): text})
    async with relay as receiver, connected(receiver) as connection:
        results = await connection.send_window(mails(4), never_expired)
    assert statuses(results) == [ACCEPTED, REFUSED, ACCEPTED, ACCEPTED]
    refusal = results[1]
    assert (refusal.stage, refusal.code, refusal.enhanced) == (Stage(stage.lower()), code, enhanced)
    assert refusal.hint is hint
    assert received(receiver) == recipient_names(0, 2, 3)
    assert receiver.ahead == 0


@BOTH
@pytest.mark.parametrize("refused", [{0}, {3}, {0, 1, 2, 3}, {1, 2}])
async def test_refused_first_last_and_in_a_row(pipelining, refused):
    script = {("RCPT", n): b"550 5.1.1 no" for n in refused}
    async with SmtpReceiver(pipelining=pipelining, script=script) as receiver:
        results = await send(receiver)
    assert statuses(results) == [REFUSED if n in refused else ACCEPTED for n in range(4)]
    assert received(receiver) == recipient_names(*(n for n in range(4) if n not in refused))


@pytest.mark.parametrize(
    ("then", "rest"), [(b"354 go on then", ACCEPTED), (CUT, UNSENT)], ids=["asked", "cut"]
)
async def test_a_refusal_holds_if_the_relay_asks_for_the_body_or_ends_the_connection(then, rest):
    script = {("RCPT", 1): b"550 5.1.1 no", ("DATA", 1): then}
    async with SmtpReceiver(script=script) as receiver:
        results = await send(receiver)
    assert statuses(results) == [ACCEPTED, REFUSED, rest, rest]
    assert (results[1].stage, results[1].code) == (Stage.RCPT, 550)
    assert received(receiver) == recipient_names(0, *([2, 3] if rest is ACCEPTED else []))


@BOTH
@pytest.mark.parametrize("allowed", range(5))
async def test_nothing_is_opened_once_the_deadline_has_passed(pipelining, allowed):
    answers = iter([False] * allowed)
    relay = SmtpReceiver(pipelining=pipelining)
    async with relay as receiver, connected(receiver) as connection:
        results = await connection.send_window(mails(4), lambda: next(answers, True))
    sent = min(allowed, 4)
    assert statuses(results) == [ACCEPTED] * sent + [UNSENT] * (4 - sent)
    assert received(receiver) == recipient_names(*range(sent))
    assert sum(line.startswith(b"MAIL") for line in receiver.commands) == sent
    assert {result.cause for result in results if result.status is UNSENT} <= {"deadline"}


async def test_a_mail_whose_turn_comes_after_the_deadline_is_not_sent(monkeypatch):
    monkeypatch.setattr("channels.email.smtp.window.DEADLINE_RECHECK_S", -1.0)
    answers = iter([False, False, True])  # mail 0 opens, leaves; then the deadline has passed
    async with SmtpReceiver(pipelining=False) as receiver:
        results = await send(receiver, 1, expired=lambda: next(answers, True))
        assert statuses(results) == [ACCEPTED]
    answers = iter([False, True])
    async with SmtpReceiver() as receiver:
        results = await send(receiver, 2, expired=lambda: next(answers, True))
    assert (statuses(results), results[0].cause) == ([UNSENT, UNSENT], "deadline")
    assert received(receiver) == []


@BOTH
async def test_a_large_mail_arrives_whole_or_is_surely_unsent(pipelining):
    large = mail(1, 24_000_000)
    async with SmtpReceiver(pipelining=pipelining) as receiver:
        assert statuses(await send(receiver, [mail(0), large, mail(2)])) == [ACCEPTED] * 3
        assert receiver.mails[1].data == large.body
    script = {("body", 1): CUT}
    async with SmtpReceiver(pipelining=pipelining, script=script) as receiver:
        results = await send(receiver, [mail(0), large, mail(2)])
    assert statuses(results) == [ACCEPTED, UNSENT, UNSENT]


@BOTH
@pytest.mark.parametrize("chunk", [1, 7])
async def test_replies_may_arrive_in_pieces(pipelining, chunk):
    script = {("RCPT", 1): b"550-5.1.1 no\r\n550 5.1.1 really"}
    async with SmtpReceiver(pipelining=pipelining, script=script, chunk=chunk) as receiver:
        assert statuses(await send(receiver)) == [ACCEPTED, REFUSED, ACCEPTED, ACCEPTED]


@pytest.mark.parametrize(
    "flood",
    [b"250 " + b"x" * 100_000, b"x" * 100_000, b"\r\n".join([b"250-x"] * 1000) + b"\r\n250 x"],
    ids=["long line", "no line", "many lines"],
)
async def test_an_endless_reply_ends_the_connection(flood):
    async with SmtpReceiver(script={("MAIL", 1): flood}) as receiver:
        results = await send(receiver)
    assert statuses(results) == [ACCEPTED, UNSENT, UNSENT, UNSENT]


async def test_words_between_windows_end_the_connection():
    async with SmtpReceiver() as receiver:
        connection = await connect(receiver)
        await connection.send_window([mail(0)], never_expired)
        for conversation in receiver.open:
            conversation.transport.write(b"250 2.0.0 a promise nobody asked for\r\n")
        await until(lambda: connection.is_closed)
        (result,) = await connection.send_window([mail(1)], never_expired)
    assert (result.status, result.cause) == (UNSENT, "reply out of turn")
    assert received(receiver) == recipient_names(0)


@BOTH
@pytest.mark.parametrize("refused", [{}, {("RCPT", 1): "550 5.1.1 no"}], ids=["taken", "refused"])
async def test_the_mails_of_a_window_go_with_it_and_wait_for_no_collector(pipelining, refused):
    async with SmtpReceiver(pipelining=pipelining, script=refused) as receiver:
        connection = await connect(receiver)
        gc.collect()
        gc.disable()
        try:
            await connection.send_window(mails(5), never_expired)
            assert not [one for one in gc.get_objects() if isinstance(one, WindowTransfer)]
        finally:
            gc.enable()
        connection.close()


async def test_a_cancelled_window_takes_its_connection_with_it():
    async with SmtpReceiver(script={("end", 0): SWALLOW}) as receiver:
        connection = await connect(receiver)
        sending = asyncio.create_task(connection.send_window([mail(0)], never_expired))
        await until(lambda: receiver.number == 0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert connection.is_closed


REFUSALS = (b"550 5.1.1 no", b"451 4.3.0 later", b"421 4.3.2 bye")
ACTS = (CUT, LAST, ScriptedAction.RECORD_CUT, *REFUSALS)


@BOTH
@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_what_is_said_agrees_with_what_arrived(pipelining, seed, tmp_path):
    rnd = random.Random(seed)
    script = {
        (rnd.choice(STAGES), rnd.randrange(12)): rnd.choice(ACTS) for _ in range(rnd.randint(1, 5))
    }
    async with SmtpReceiver(
        record=tmp_path / "record", pipelining=pipelining, script=script, chunk=rnd.choice([0, 5])
    ) as receiver:
        results = await send(receiver, 12)
    arrived = {recipient for recipient, _ in accepted_mails(tmp_path / "record")}
    said = dict(zip(recipient_names(*range(12)), statuses(results), strict=True))
    sure = {name for name, result in said.items() if result is ACCEPTED}
    doubtful = {name for name, result in said.items() if result is DOUBT}
    assert len(doubtful) <= 1
    assert sure <= arrived <= sure | doubtful
    assert len(accepted_mails(tmp_path / "record")) == len(arrived)
    assert receiver.ahead == 0
