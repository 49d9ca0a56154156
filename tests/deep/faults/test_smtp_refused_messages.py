"""A relay that refuses whole mails without a word on the mailbox: no reader is to blame.

A wrong limit or a filter's mood refuses everything; a text that a filter dislikes is refused alone.
"""

import pytest
import structlog

from channels.email.smtp import outcomes
from consumers.channel_health.breaker_store import unavailable_circuits
from consumers.email.policy import EmailSendPolicy
from consumers.email.refused_items import HOLD_S
from contracts.delivery import ChannelName, Status
from tests.support.email_pipeline import EmailPipeline, check_ledger
from tests.support.smtp_receiver import SmtpReceiver

READERS = 30
MOODS = [
    b"552 Message size exceeds fixed limit",
    b"554 Transaction failed",
    b"550 Service not available",
    b"550 Requested action not taken: mailbox unavailable",
    b"552 5.3.4 Message size exceeds fixed limit",
    b"554 5.3.0 something is wrong",
    b"554 5.6.0 message content rejected",
]


@pytest.fixture
def new_loa(new_email_pipeline):
    """A pipeline with the policy of the real worker."""

    def new(*args, **changes) -> EmailPipeline:
        loa = new_email_pipeline(*args, **changes)
        loa.worker.policy = EmailSendPolicy(loa.bus, loa.worker.semaphore, loa.clock)
        return loa

    return new


async def refusals_told(loa: EmailPipeline) -> int:
    """How many receipts lead to suppressions."""
    return (await loa.bus.stream_info("RECEIPTS"))["state"]["messages"]


@pytest.mark.promise("5.4")
@pytest.mark.parametrize("said", MOODS)
async def test_a_relay_that_refuses_each_mail_fails_nobody_and_stops_the_channel(new_loa, said):
    async with SmtpReceiver(always={"end": said}) as receiver:
        loa = new_loa(receiver.port, READERS)
        first, second = await loa.plan(content_id="a"), await loa.plan(content_id="b")
        with structlog.testing.capture_logs() as logs:
            await loa.run(first, second, until=loa.clock() + 3600)
        for plan in (first, second):
            counted = await loa.status_counts(plan)
            assert sum(counted.values()) == READERS
            assert set(counted) <= {Status.PENDING, Status.DEFERRED}
        assert await refusals_told(loa) == 0
        assert await unavailable_circuits(loa.bus) == {ChannelName.EMAIL}
        assert {"breaker_opened", "mail_item_refused"} <= {one["event"] for one in logs}
        assert receiver.number < 25 * 2 * (3600 / HOLD_S + 1), "a window of each item at a time"
        receiver.always.clear()
        await loa.run(first, second)
        assert await loa.status_counts(first) == {Status.DELIVERED: READERS}
        assert await check_ledger(loa, receiver, first, second) == 0
        assert not await unavailable_circuits(loa.bus)


class TextFilter(SmtpReceiver):
    """Refuses the mails that hold a word."""

    word, refused = b"Subject: thu rac", 0

    def reply_for(self, mail):
        if self.word in mail.raw:
            self.refused += 1
            return b"550 5.7.1 this message looks like spam" if self.refused % 2 else b"554 no"
        return None


async def test_a_text_that_is_refused_alone_stops_no_other(new_loa):
    async with TextFilter() as relay:
        loa = new_loa(relay.port, 60)
        spam = await loa.plan(content_id="a", title="thu rac")
        await loa.run(spam, until=loa.clock() + 40)
        others = [await loa.plan(content_id=f"b-{n}") for n in range(6)]
        began = loa.clock()
        await loa.run(spam, *others, until=began + 3600)
        for plan in others:
            assert await loa.status_counts(plan) == {Status.DELIVERED: 60}
        closed = [(await loa.entry(plan)).closed_at - began for plan in others]
        assert max(closed) <= 60, "the next probe is theirs"
        assert not await unavailable_circuits(loa.bus), "and the channel is well"
        assert Status.FAILED not in await loa.status_counts(spam)
        assert relay.refused <= 25 * (3600 / HOLD_S + 2)
        relay.word = b"nothing"
        await loa.run(spam)
        assert await loa.status_counts(spam) == {Status.DELIVERED: 60}


async def test_mails_refused_alone_fail_and_say_nothing_of_their_mailboxes(new_loa):
    script = {("end", n): b"554 Transaction failed" for n in range(0, 60, 5)}
    async with SmtpReceiver(script=script) as receiver:
        loa = new_loa(receiver.port, 60)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: 48, Status.FAILED: 12}
        assert set((await loa.why(plan)).values()) == {"554 message refused"}
        assert outcomes.code_in_reason("554 message refused") == "5.6.0", "of the content's class"
        assert not await unavailable_circuits(loa.bus)
