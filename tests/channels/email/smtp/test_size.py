"""The relay's SIZE (RFC 1870): a mail that is too large ends alone, and before it travels."""

import asyncio
import math

import pytest

from channels.base import Verdict
from channels.email.smtp.mail_result import MailResult
from channels.email.smtp.outcomes import outcome_of
from tests.support.mails import never_expired
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.smtp_window import (
    ACCEPTED,
    BOTH,
    REFUSED,
    connect,
    connected,
    mail,
    mails,
    received,
    recipient_names,
    send,
    statuses,
)

LIMIT = 1_000
LARGE = mail(1, size=3 * LIMIT)


def relay(*extras: str, **changes) -> SmtpReceiver:
    return SmtpReceiver(extras=extras or (f"SIZE {LIMIT}",), **changes)


def check_only_this_mail_failed(result: MailResult) -> None:
    outcome = outcome_of(result)
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, "5.3.4")
    assert not outcome.channel_wide and outcome.retry_after_s is None


@BOTH
@pytest.mark.parametrize("number", [0, 1, 3])
async def test_a_mail_that_the_relay_will_not_take_is_refused_unsent(pipelining, number):
    envelopes = mails(4)
    envelopes[number] = LARGE
    async with relay(pipelining=pipelining) as receiver, connected(receiver) as connection:
        results = await connection.send_window(envelopes, never_expired)
    assert statuses(results) == [REFUSED if n == number else ACCEPTED for n in range(4)]
    assert received(receiver) == recipient_names(*(n for n in range(4) if n != number))
    assert sum(command.startswith(b"MAIL") for command in receiver.commands) == 3
    check_only_this_mail_failed(results[number])
    outcome = outcome_of(results[number])
    assert outcome.reason == f"the mail has {len(LARGE.body)} bytes, the relay takes {LIMIT}"
    assert not outcome.reached_provider and not results[number].is_settled


async def test_a_window_of_too_large_mails_costs_no_command():
    async with relay() as receiver, connected(receiver) as connection:
        results = await connection.send_window([LARGE] * 3, never_expired)
        assert statuses(results) == [REFUSED] * 3
        assert not any(command.startswith(b"MAIL") for command in receiver.commands)
        assert statuses(await connection.send_window(mails(1), never_expired)) == [ACCEPTED]


async def test_the_size_is_declared_where_the_relay_knows_it():
    async with relay() as receiver:
        await send(receiver, 1)
    [command] = [command for command in receiver.commands if command.startswith(b"MAIL")]
    assert command.endswith(b" SIZE=%d" % len(mail(0).body))
    async with SmtpReceiver() as receiver:
        await send(receiver, 1)
    assert not any(b"SIZE" in command for command in receiver.commands)


@pytest.mark.parametrize("announced", ["SIZE", "SIZE 0", "SIZE many", f"SIZE {'9' * 30}", "DSN"])
async def test_without_a_number_there_is_no_limit(announced):
    async with relay(announced) as receiver:
        assert statuses(await send(receiver, [LARGE])) == [ACCEPTED]


async def test_doubled_dots_do_not_count():
    head = b"Message-ID: <1@example.com>\r\n\r\n"
    dotted = mail(1)._replace(body=head + b"..x\r\n" * 20)
    async with relay(f"SIZE {len(head) + 4 * 20}") as receiver:
        assert statuses(await send(receiver, [dotted])) == [ACCEPTED]
    async with relay(f"SIZE {len(head) + 4 * 20 - 1}") as receiver:
        assert statuses(await send(receiver, [dotted])) == [REFUSED]


async def test_the_limit_of_the_fallback_does_not_end_a_mail():
    async with relay() as receiver:
        connection = await connect(receiver)
        connection.limit_elsewhere = math.inf
        [result] = await connection.send_window([LARGE], never_expired)
        connection.close()
    assert outcome_of(result).verdict is Verdict.DEFERRED
    assert not outcome_of(result).channel_wide


@pytest.mark.parametrize("stage", ["MAIL", "DATA", "end"])
@pytest.mark.parametrize(
    "reply",
    [
        b"552 5.3.4 Message size exceeds fixed limit",
        b"552 message size exceeds fixed maximum message size",
        b"552 Requested mail action aborted",
        b"554 5.3.4 too big",
        b"550 5.2.3 message length exceeds administrative limit",
    ],
)
async def test_a_relay_that_finds_a_mail_too_large_refuses_this_mail_alone(stage, reply):
    async with relay("SIZE", script={(stage, 1): reply}) as receiver:
        results = await send(receiver)
    assert statuses(results) == [ACCEPTED, REFUSED, ACCEPTED, ACCEPTED]
    outcome = outcome_of(results[1])
    assert (outcome.verdict, outcome.channel_wide) == (Verdict.FAILED, False)
    assert outcome.code in ("5.3.4", "5.2.3")


async def test_a_full_mailbox_is_still_a_full_mailbox():
    async with relay("SIZE", script={("RCPT", 1): b"552 exceeded storage allocation"}) as receiver:
        results = await send(receiver)
    assert outcome_of(results[1]).code != "5.3.4"


async def test_a_relay_that_refuses_the_parameter_gets_the_mail_without():
    async with relay(script={("MAIL", 0): b"555 5.5.4 what is SIZE?"}) as receiver:
        connection = await connect(receiver)
        sent = await connection.send_window(mails(1), never_expired)
        [unsent] = connection.disable_refused_parameters(sent)
        assert unsent.status.value == "unsent"
        assert statuses(await connection.send_window(mails(1), never_expired)) == [ACCEPTED]
        connection.close()


async def test_a_refusal_in_the_middle_of_a_large_mail_is_one_of_this_mail():
    """Without SIZE the relay can only say so while the mail comes, and then hangs up."""

    async def serve(reader, writer):
        writer.write(b"220 relay.example ESMTP\r\n")
        for reply in (b"250 relay.example", b"250 Ok", b"250 Ok", b"354 go"):
            await reader.readline()
            writer.write(reply + b"\r\n")
        await reader.readexactly(LIMIT)
        writer.write(b"552 5.3.4 Too much\r\n")
        await writer.drain()
        await asked.wait()
        writer.close()

    asked = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=LIMIT)
    receiver = SmtpReceiver(port=server.sockets[0].getsockname()[1])
    results = await send(receiver, [mail(0, size=16 * 2**20), mail(1)])
    asked.set()
    server.close()
    await server.wait_closed()
    assert statuses(results)[0] is REFUSED
    check_only_this_mail_failed(results[0])
