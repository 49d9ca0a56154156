"""A mail that the relay refuses says where and why, and the rest of its window goes on."""

import pytest

from channels.email.smtp.connection import SmtpConnection
from channels.email.smtp.mail_result import RefusalHint, Stage
from tests.support.mails import never_expired
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.smtp_window import (
    ACCEPTED,
    BOTH,
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
async def test_421_to_a_mail_refuses_it_and_leaves_the_rest_unsent(pipelining):
    script = {("end", 1): b"421 4.3.2 shutting down"}
    async with SmtpReceiver(pipelining=pipelining, script=script) as receiver:
        replies = await send(receiver)
    assert fates(replies) == [ACCEPTED, REFUSED, UNSENT, UNSENT]
    assert (replies[1].code, replies[1].enhanced) == (421, "4.3.2")
    assert received(receiver) == recipient_names(0)


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
async def test_a_refused_mail_says_where_and_why_and_the_others_go_on(
    pipelining, stage, text, code, enhanced, hint
):
    async with SmtpReceiver(pipelining=pipelining, script={(stage, 1): text}) as receiver:
        connection = await SmtpConnection.open(settings(receiver))
        replies = await connection.send_window([mail(n) for n in range(4)], never_expired)
        assert not connection.is_closed
        connection.close()
    assert fates(replies) == [ACCEPTED, REFUSED, ACCEPTED, ACCEPTED]
    refusal = replies[1]
    assert (refusal.stage, refusal.code, refusal.enhanced) == (Stage(stage.lower()), code, enhanced)
    assert refusal.hint is hint
    assert received(receiver) == recipient_names(0, 2, 3)
    assert receiver.ahead == 0


@BOTH
@pytest.mark.parametrize("refused", [{0}, {3}, {0, 1, 2, 3}, {1, 2}])
async def test_refused_first_last_and_in_a_row(pipelining, refused):
    script = {("RCPT", n): b"550 5.1.1 no" for n in refused}
    async with SmtpReceiver(pipelining=pipelining, script=script) as receiver:
        replies = await send(receiver)
        again = await send(receiver)
    assert fates(replies) == [REFUSED if n in refused else ACCEPTED for n in range(4)]
    assert fates(again) == [ACCEPTED] * 4
    assert received(receiver) == recipient_names(
        *(n for n in range(4) if n not in refused), 0, 1, 2, 3
    )


async def test_a_relay_that_wants_a_body_for_a_refused_recipient_gets_an_empty_one():
    script = {("RCPT", 1): b"550 5.1.1 no", ("DATA", 1): b"354 go on then"}
    async with SmtpReceiver(script=script) as receiver:
        replies = await send(receiver)
    assert fates(replies) == [ACCEPTED, REFUSED, ACCEPTED, ACCEPTED]
    assert (replies[1].stage, replies[1].code) == (Stage.RCPT, 550)
    assert received(receiver) == recipient_names(0, 2, 3)


async def test_a_refusal_is_known_even_if_the_connection_ends_right_behind_it():
    script = {("RCPT", 1): b"550 5.1.1 no", ("DATA", 1): ScriptedAction.CUT}
    async with SmtpReceiver(script=script) as receiver:
        replies = await send(receiver)
    assert fates(replies) == [ACCEPTED, REFUSED, UNSENT, UNSENT]
