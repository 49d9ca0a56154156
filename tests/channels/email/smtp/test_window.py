"""A window of mails on the wire: what is said of each mail, wherever the conversation breaks."""

import asyncio
import gc
import random

import pytest

from channels.email.smtp.connection import SmtpConnection
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
    fates,
    mail,
    received,
    recipient_names,
    send,
    settings,
)


@BOTH
async def test_a_window_goes_out_in_order_and_every_mail_is_accepted(pipelining, tmp_path):
    async with SmtpReceiver(record=tmp_path / "record", pipelining=pipelining) as receiver:
        replies = await send(receiver, 25)
    assert fates(replies) == [ACCEPTED] * 25
    assert accepted_mails(tmp_path / "record") == [
        (f"a{n}@example.com", f"<{n}@example.com>") for n in range(25)
    ]
    assert [mail.data for mail in receiver.mails] == [mail(n).body for n in range(25)]
    assert receiver.ahead == 0


@BOTH
async def test_an_empty_window_says_nothing(pipelining):
    async with SmtpReceiver(pipelining=pipelining) as receiver:
        assert await send(receiver, 0) == []


@BOTH
async def test_a_connection_serves_window_after_window(pipelining):
    async with SmtpReceiver(pipelining=pipelining) as receiver:
        connection = await SmtpConnection.open(settings(receiver))
        for _ in range(3):
            assert (
                fates(await connection.send_window([mail(0), mail(1)], never_expired))
                == [ACCEPTED] * 2
            )
        assert not connection.is_closed
        connection.close()
    assert receiver.connected == 1


BEFORE_THE_END_LEFT = [
    ("MAIL", ScriptedAction.CUT),
    ("MAIL", ScriptedAction.LAST),
    ("MAIL", ScriptedAction.SWALLOW),
    ("MAIL", b"421 4.3.2 shutting down"),
    ("MAIL", b"354 what?"),
    ("RCPT", ScriptedAction.CUT),
    ("RCPT", ScriptedAction.LAST),
    ("RCPT", ScriptedAction.SWALLOW),
    ("RCPT", b"421 4.3.2 shutting down"),
    ("DATA", ScriptedAction.CUT),
    ("DATA", ScriptedAction.SWALLOW),
    ("DATA", b"421 4.3.2 shutting down"),
    ("DATA", b"250 what?"),
]
AFTER_THE_END_LEFT = [
    ("body", ScriptedAction.CUT),
    ("end", ScriptedAction.CUT),
    ("end", ScriptedAction.SWALLOW),
    ("end", b"354 what?"),
    ("end", b"not a reply at all"),
]


def ids(cases):
    return [f"{stage}-{getattr(act, 'value', act)!s:.12}" for stage, act in cases]


@BOTH
@pytest.mark.parametrize(("stage", "act"), BEFORE_THE_END_LEFT, ids=ids(BEFORE_THE_END_LEFT))
async def test_cut_before_the_end_of_a_mail_left_it_is_surely_unsent(pipelining, stage, act):
    script = {(stage, 1): act}
    async with SmtpReceiver(pipelining=pipelining, script=script) as receiver:
        replies = await send(receiver, timeout_s=0.3)
    assert fates(replies) == [ACCEPTED, UNSENT, UNSENT, UNSENT]
    assert received(receiver) == recipient_names(0)
    assert all(reply.cause for reply in replies[1:])


@BOTH
@pytest.mark.parametrize(("stage", "act"), AFTER_THE_END_LEFT, ids=ids(AFTER_THE_END_LEFT))
async def test_cut_after_the_end_of_a_mail_left_only_that_one_is_in_doubt(pipelining, stage, act):
    script = {(stage, 1): act}
    async with SmtpReceiver(pipelining=pipelining, script=script) as receiver:
        replies = await send(receiver, timeout_s=0.3)
    assert fates(replies) == [ACCEPTED, DOUBT, UNSENT, UNSENT]
    assert received(receiver) == recipient_names(0)


@BOTH
@pytest.mark.parametrize("act", [ScriptedAction.RECORD_CUT, ScriptedAction.RECORD_SWALLOW])
async def test_a_mail_that_arrived_without_an_answer_is_in_doubt(pipelining, act):
    async with SmtpReceiver(pipelining=pipelining, script={("end", 1): act}) as receiver:
        replies = await send(receiver, timeout_s=0.3)
    assert fates(replies) == [ACCEPTED, DOUBT, UNSENT, UNSENT]
    assert received(receiver) == recipient_names(0, 1)


@BOTH
async def test_a_relay_that_hangs_up_after_an_answer_leaves_no_doubt(pipelining):
    async with SmtpReceiver(
        pipelining=pipelining, script={("end", 1): ScriptedAction.LAST}
    ) as receiver:
        replies = await send(receiver)
    assert fates(replies) == [ACCEPTED, ACCEPTED, UNSENT, UNSENT]
    assert received(receiver) == recipient_names(0, 1)


@BOTH
@pytest.mark.parametrize("allowed", range(5))
async def test_nothing_is_opened_once_the_deadline_has_passed(pipelining, allowed):
    asked = 0

    def expired() -> bool:
        nonlocal asked
        asked += 1
        return asked > allowed

    async with SmtpReceiver(pipelining=pipelining) as receiver:
        connection = await SmtpConnection.open(settings(receiver))
        replies = await connection.send_window([mail(n) for n in range(4)], expired)
        assert not connection.is_closed
        connection.close()
    assert fates(replies) == [ACCEPTED] * min(allowed, 4) + [UNSENT] * (4 - min(allowed, 4))
    assert received(receiver) == recipient_names(*range(min(allowed, 4)))
    assert sum(line.startswith(b"MAIL") for line in receiver.commands) == min(allowed, 4)
    assert {reply.cause for reply in replies if reply.result is UNSENT} <= {"deadline"}


async def test_a_mail_opened_in_time_is_not_sent_when_its_turn_comes_after_the_deadline(
    monkeypatch,
):
    monkeypatch.setattr("channels.email.smtp.window.DEADLINE_RECHECK_S", -1.0)
    answers = iter([False, False, True])  # mail 0 opens, leaves; then the deadline has passed
    async with SmtpReceiver(pipelining=False) as receiver:
        replies = await send(receiver, 1, expired=lambda: next(answers, True))
        assert fates(replies) == [ACCEPTED]
    answers = iter([False, True])
    async with SmtpReceiver() as receiver:
        replies = await send(receiver, 2, expired=lambda: next(answers, True))
    assert (fates(replies), replies[0].cause) == ([UNSENT, UNSENT], "deadline")
    assert received(receiver) == []


@BOTH
async def test_a_large_mail_cut_while_it_leaves_is_surely_unsent(pipelining):
    script = {("body", 1): ScriptedAction.CUT}
    large = mail(1, 24_000_000)
    async with SmtpReceiver(pipelining=pipelining, script=script) as receiver:
        replies = await send(receiver, [mail(0), large, mail(2)])
    assert fates(replies) == [ACCEPTED, UNSENT, UNSENT]


@BOTH
async def test_a_large_mail_arrives_whole(pipelining):
    large = mail(1, 3_000_000)
    async with SmtpReceiver(pipelining=pipelining) as receiver:
        replies = await send(receiver, [mail(0), large, mail(2)])
    assert fates(replies) == [ACCEPTED] * 3
    assert receiver.mails[1].data == large.body


@BOTH
@pytest.mark.parametrize("chunk", [1, 7])
async def test_replies_may_arrive_in_pieces(pipelining, chunk):
    script = {("RCPT", 1): b"550-5.1.1 no\r\n550 5.1.1 really"}
    async with SmtpReceiver(pipelining=pipelining, script=script, chunk=chunk) as receiver:
        assert fates(await send(receiver)) == [ACCEPTED, REFUSED, ACCEPTED, ACCEPTED]


@pytest.mark.parametrize(
    "flood",
    [b"250 " + b"x" * 100_000, b"x" * 100_000, b"\r\n".join([b"250-x"] * 1000) + b"\r\n250 x"],
    ids=["long line", "no line", "many lines"],
)
async def test_an_endless_reply_ends_the_connection(flood):
    async with SmtpReceiver(script={("MAIL", 1): flood}) as receiver:
        replies = await send(receiver)
    assert fates(replies) == [ACCEPTED, UNSENT, UNSENT, UNSENT]


async def test_an_answer_to_a_mail_that_has_not_left_yet_is_not_believed():
    script = {("DATA", 1): b"354 go\r\n250 2.0.0 queued already"}
    async with SmtpReceiver(script=script) as receiver:
        replies = await send(receiver)
    assert fates(replies) == [ACCEPTED, UNSENT, UNSENT, UNSENT]
    assert received(receiver) == recipient_names(0)


async def test_words_between_windows_end_the_connection():
    async with SmtpReceiver() as receiver:
        connection = await SmtpConnection.open(settings(receiver))
        await connection.send_window([mail(0)], never_expired)
        for conversation in receiver.open:
            conversation.transport.write(b"250 2.0.0 a promise nobody asked for\r\n")
        await asyncio.wait_for(until(lambda: connection.is_closed), 5)
        (reply,) = await connection.send_window([mail(1)], never_expired)
    assert (reply.result, reply.cause) == (UNSENT, "reply out of turn")
    assert received(receiver) == recipient_names(0)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


@BOTH
@pytest.mark.parametrize(
    "refused", [{}, {("RCPT", 1): "550 5.1.1 no"}], ids=["accepted", "refused"]
)
async def test_the_mails_of_a_window_go_with_it_and_wait_for_no_collector(pipelining, refused):
    async with SmtpReceiver(pipelining=pipelining, script=refused) as receiver:
        connection = await SmtpConnection.open(settings(receiver))
        gc.collect()
        gc.disable()
        try:
            await connection.send_window([mail(n) for n in range(5)], never_expired)
            assert not [one for one in gc.get_objects() if isinstance(one, WindowTransfer)]
        finally:
            gc.enable()
        connection.close()


async def test_a_cancelled_window_takes_its_connection_with_it():
    async with SmtpReceiver(script={("end", 0): ScriptedAction.SWALLOW}) as receiver:
        connection = await SmtpConnection.open(settings(receiver))
        sending = asyncio.create_task(connection.send_window([mail(0)], never_expired))
        await asyncio.wait_for(until(lambda: receiver.number == 0), 5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert connection.is_closed


STAGES = ("MAIL", "RCPT", "DATA", "body", "end")
ACTS = (
    ScriptedAction.CUT,
    ScriptedAction.LAST,
    ScriptedAction.RECORD_CUT,
    b"550 5.1.1 no",
    b"451 4.3.0 later",
    b"421 4.3.2 bye",
)


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
        replies = await send(receiver, 12)
    arrived = {recipient for recipient, _ in accepted_mails(tmp_path / "record")}
    said = dict(zip(recipient_names(*range(12)), fates(replies), strict=True))
    sure = {name for name, fate in said.items() if fate is ACCEPTED}
    doubtful = {name for name, fate in said.items() if fate is DOUBT}
    assert len(doubtful) <= 1
    assert sure <= arrived <= sure | doubtful
    assert len(accepted_mails(tmp_path / "record")) == len(arrived)
    assert receiver.ahead == 0
