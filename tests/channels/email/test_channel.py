"""E-mail as a channel, against a relay that does what it wants."""

import asyncio

import pytest

from channels.base import Verdict
from channels.email.smtp import pool as pools
from channels.errors import Misconfigured
from contracts import keys
from tests.support.mails import (
    deliver,
    email_channel,
    mail_recipient,
    never_expired,
    recipients,
    verdicts,
)
from tests.support.publications import a_publication
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.waiting import until

DELIVERED, UNSENT, DOUBT = Verdict.DELIVERED, Verdict.UNSENT, Verdict.DOUBT
FAILED, DEFERRED, HELD = Verdict.FAILED, Verdict.DEFERRED, Verdict.HELD


async def test_readers_get_their_mail_once_each():
    async with SmtpReceiver() as receiver:
        outcomes = await deliver(email_channel(receiver.port), recipients(25))
    assert verdicts(outcomes) == [DELIVERED] * 25
    assert [mail.recipient for mail in receiver.mails] == [row.address for row in recipients(25)]
    ids = [keys.message_id(row.delivery_key, "moha.example") for row in recipients(25)]
    assert [mail.message_id for mail in receiver.mails] == ids
    assert {mail.sender for mail in receiver.mails} == {"thong-bao@moha.example"}


async def test_a_row_with_an_unsafe_value_fails_alone():
    unsafe = [mail_recipient(1, name="x\r\nBcc: y"), mail_recipient(2, address="a b@c")]
    some = [mail_recipient(0), *unsafe, mail_recipient(3)]
    async with SmtpReceiver() as receiver:
        outcomes = await deliver(email_channel(receiver.port), some)
    assert verdicts(outcomes) == [DELIVERED, FAILED, FAILED, DELIVERED]
    assert [outcome.reason for outcome in outcomes[1:3]] == ["unsafe To", "unsafe address"]
    assert len(receiver.mails) == 2


async def test_a_relay_that_takes_few_mails_per_connection_gets_them_over_several():
    script = {("MAIL", n): b"421 4.7.0 too many mails" for n in (3, 7, 11)}
    async with SmtpReceiver(script=script) as receiver:
        outcomes = await deliver(email_channel(receiver.port), recipients(10))
    assert verdicts(outcomes) == [DELIVERED] * 10
    assert receiver.connected == 4
    assert len(receiver.mails) == 10


async def test_a_connection_that_died_while_idle_is_replaced():
    async with SmtpReceiver() as receiver:
        channel = email_channel(receiver.port)
        rendered = channel.render(a_publication())
        async with channel.session() as session:
            first = await session.send(rendered, recipients(2), never_expired)
        receiver.always["MAIL"] = ScriptedAction.CUT
        asyncio.get_running_loop().call_soon(receiver.always.clear)
        async with channel.session() as session:
            for conversation in list(receiver.open):
                conversation.transport.abort()
            second = await session.send(rendered, recipients(2), never_expired)
        await channel.close()
    assert verdicts(first + second) == [DELIVERED] * 4
    assert receiver.connected == 2
    assert len(receiver.mails) == 4


async def test_a_relay_that_goes_away_in_the_middle_leaves_the_rest_unsent():
    async with SmtpReceiver(script={("end", 1): ScriptedAction.LAST}) as receiver:
        channel = email_channel(receiver.port)
        async with channel.session() as session:
            receiver.server.close()
            rendered = channel.render(a_publication())
            outcomes = await session.send(rendered, recipients(4), never_expired)
        await channel.close()
    assert verdicts(outcomes) == [DELIVERED, DELIVERED, UNSENT, UNSENT]
    assert outcomes[3].retry_after_s == 30.0
    assert outcomes[3].reason.startswith("no connection")


@pytest.mark.parametrize("act", [ScriptedAction.CUT, ScriptedAction.RECORD_CUT])
async def test_after_a_doubt_nothing_more_is_sent_in_this_window(act):
    async with SmtpReceiver(script={("end", 1): act}) as receiver:
        outcomes = await deliver(email_channel(receiver.port), recipients(4))
    assert verdicts(outcomes) == [DELIVERED, DOUBT, UNSENT, UNSENT]
    assert receiver.connected == 1


async def test_sessions_reuse_connections_and_run_side_by_side():
    async with SmtpReceiver() as receiver:
        channel = email_channel(receiver.port)
        rendered = channel.render(a_publication())

        async def one(number):
            async with channel.session() as session:
                return await session.send(rendered, [mail_recipient(number)], never_expired)

        for _ in range(3):
            outcomes = await asyncio.gather(*(one(n) for n in range(4)))
            assert [verdicts(said) for said in outcomes] == [[DELIVERED]] * 4
        await channel.close()
    assert receiver.connected == 4
    assert len(receiver.mails) == 12


async def test_a_connection_that_was_idle_for_long_is_asked_first(monkeypatch):
    async with SmtpReceiver() as receiver:
        channel = email_channel(receiver.port)
        async with channel.session():
            pass
        monkeypatch.setattr(pools, "IDLE_CHECK_S", -1.0)
        async with channel.session():
            pass
        receiver.always["NOOP"] = ScriptedAction.CUT
        async with channel.session():
            pass
        await channel.close()
    assert receiver.connected == 2
    assert receiver.commands.count(b"NOOP") == 2


async def test_a_check_that_is_given_up_leaves_no_connection(monkeypatch):
    async with SmtpReceiver(always={"NOOP": ScriptedAction.SWALLOW}) as receiver:
        channel = email_channel(receiver.port)
        async with channel.session():
            pass
        monkeypatch.setattr(pools, "IDLE_CHECK_S", -1.0)
        checking = asyncio.create_task(channel.pool.acquire())
        await until(lambda: any(one.silent for one in receiver.open))
        checking.cancel()
        await asyncio.wait({checking})
        await until(lambda: not receiver.open)


async def test_a_closed_channel_keeps_no_connection():
    async with SmtpReceiver() as receiver:
        channel = email_channel(receiver.port)
        async with channel.session():
            await channel.close()
        await until(lambda: not receiver.open)
    assert receiver.commands[-1] == b"QUIT"


async def test_without_a_host_the_operator_is_asked():
    with pytest.raises(Misconfigured, match="LOA_EMAIL_HOST"):
        async with email_channel(host="").session():
            pass


async def test_logs_and_reasons_hold_no_address(capsys):
    script = {("RCPT", 0): b"550 5.1.1 <a0@example.com>: no", ("end", 1): b"421 a1@example.com"}
    async with SmtpReceiver(script=script) as receiver:
        outcomes = await deliver(email_channel(receiver.port), recipients(3))
    written = capsys.readouterr()
    assert "@" not in written.out + written.err + "".join(o.reason for o in outcomes)
