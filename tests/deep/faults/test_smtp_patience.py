"""Relays that answer late, as RFC 5321 4.5.3.2 allows: nothing is lost, copied or held up."""

import asyncio
from contextlib import suppress

import pytest

from channels.email.smtp import connection
from consumers.runtime.errors import RetryLater
from contracts.delivery import Lane, Status
from tests.support.email_pipeline import EmailPipeline, PlayOnce, check_ledger
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.waiting import until

GREETING_S, END_S = 16.0, 32.0
"""Longer than a client without the RFC's patience waits."""


def silent_one(relay: SmtpReceiver):
    return next(one for one in relay.open if one.silent)


def answer(conversation, reply: bytes) -> None:
    conversation.silent = False
    conversation.transport.write(reply)
    conversation.data_received(b"")


async def test_a_late_greeting_and_a_late_acceptance_cost_time_and_no_copy(bus, tmp_path):
    script = PlayOnce(
        {("greeting", -1): ScriptedAction.SWALLOW, ("end", 9): ScriptedAction.RECORD_SWALLOW}
    )
    async with SmtpReceiver(script=script) as relay:
        loa = EmailPipeline(bus, tmp_path, 5, relay.port, timeout_s=connection.REQUEST_TIMEOUT_S)
        loa.provider.pool.end_timeout_s = connection.END_TIMEOUT_S
        slow, other, last = [await loa.plan(content_id=name) for name in "abc"]
        waiting = asyncio.create_task(loa.run(slow))
        await until(lambda: any(one.silent for one in relay.open))
        await loa.run(other)
        assert await loa.status_counts(other) == {Status.DELIVERED: 5}, "no other is held up"
        await asyncio.sleep(GREETING_S)
        answer(silent_one(relay), b"220 relay.example ESMTP\r\n")
        accepting = asyncio.create_task(asyncio.wait_for(waiting, 60))
        await until(lambda: any(one.silent for one in relay.open))
        await loa.run(last)
        assert await loa.status_counts(last) == {Status.DELIVERED: 5}
        await asyncio.sleep(END_S)
        answer(silent_one(relay), b"250 2.0.0 Ok: at last\r\n")
        await accepting
        assert await loa.status_counts(slow) == {Status.DELIVERED: 5}
        assert await check_ledger(loa, relay, slow, other, last) == 0
        assert await loa.copies(slow) == 0
    assert len(loa.dials) == 2


@pytest.mark.promise("5.5")
async def test_a_stop_does_not_wait_for_a_greeting(bus, tmp_path):
    async with SmtpReceiver(always={"greeting": ScriptedAction.SWALLOW}) as relay:
        loa = EmailPipeline(bus, tmp_path, 5, relay.port)
        plan = await loa.plan()
        sending = asyncio.create_task(loa.work(plan))
        await until(lambda: any(one.silent for one in relay.open))
        loa.worker.abort_sessions()
        with suppress(RetryLater):
            await asyncio.wait_for(sending, 25)
        assert await loa.status_counts(plan) == {Status.PENDING: 5}
        gate = loa.worker.gate_of(Lane.NORMAL)
        assert gate.current.is_closed, "a stop is no trouble of the relay's"


async def test_after_a_stop_of_four_days_each_row_gets_its_try(bus, tmp_path):
    async with SmtpReceiver(always={"end": b"451 4.3.0 not now"}) as relay:
        loa = EmailPipeline(bus, tmp_path, 40, relay.port)
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + 10)
        relay.always["end"] = ScriptedAction.RECORD_SWALLOW
        loa.clock.advance(3600)
        sending = asyncio.create_task(loa.work(plan))
        await until(lambda: any(one.silent for one in relay.open))
        loa.worker.abort_sessions()  # the machine goes down in the middle of a window
        with suppress(RetryLater):
            await sending
        loa.clock.advance(4 * 86400)
        relay.always.clear()
        loa.worker = loa.new_worker()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: 40}
        assert await check_ledger(loa, relay, plan) == await loa.copies(plan) == 1
