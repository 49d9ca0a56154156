"""A relay that takes so many mails in a session: a known limit neither holds up nor lasts."""

import itertools

import pytest

from channels.base import Verdict
from channels.email.smtp import pool as pools
from channels.email.smtp import window
from tests.support.mails import email_channel, never_expired, recipients, verdicts
from tests.support.publications import a_publication
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import LimitedSessions, SmtpReceiver

DELIVERED, UNSENT = Verdict.DELIVERED, Verdict.UNSENT
LIMIT = 3


@pytest.fixture
async def receiver():
    async with LimitedSessions(LIMIT) as receiver:
        yield receiver


@pytest.fixture
async def channel(receiver):
    """A channel that has met the relay's limit."""
    channel = email_channel(receiver.port)
    channel.pool.request_timeout_s = 0.05
    assert verdicts(await send(channel, 7)) == [DELIVERED] * 7
    assert receiver.connected == 3
    yield channel
    await channel.close()


async def send(channel, mails, expired=never_expired, first=0):
    async with channel.session() as session:
        rows = recipients(first + mails)[first:]
        return await session.send(channel.render(a_publication()), rows, expired)


def stop_after(questions):
    """A deadline that is over after so many questions, and must not be asked without end."""
    count = itertools.count(1)

    def expired():
        number = next(count)
        assert number < questions + 20, "the loop goes on without end"
        return number > questions

    return expired


@pytest.mark.parametrize("questions", [0, 2, LIMIT, LIMIT + 1])
async def test_a_stop_ends_a_window_that_is_larger_than_a_session(receiver, channel, questions):
    sent_before = len(receiver.mails)
    outcomes = await send(channel, 25, stop_after(questions))
    sent = len(receiver.mails) - sent_before
    assert sent <= questions
    assert verdicts(outcomes) == [DELIVERED] * sent + [UNSENT] * (25 - sent)


async def test_a_silent_relay_is_not_dialled_again_and_again(receiver, channel):
    receiver.always["MAIL"] = ScriptedAction.SWALLOW
    dialled = receiver.connected
    outcomes = await send(channel, 25, stop_after(10))
    assert verdicts(outcomes) == [UNSENT] * 25
    assert outcomes[0].channel_wide, "the breaker hears of it"
    assert receiver.connected <= dialled + 1


async def test_a_limit_is_forgotten_after_an_hour(receiver, channel, monkeypatch):
    receiver.limit = 100
    began, dialled = channel.pool.clock(), receiver.connected
    monkeypatch.setattr(channel.pool, "clock", lambda: began + pools.SESSION_LIMIT_S + 1)
    channel.pool.close_idle()
    assert verdicts(await send(channel, 25)) == [DELIVERED] * 25
    assert receiver.connected == dialled + 1


async def test_a_mailbox_that_is_full_is_no_limit_of_the_session():
    script = {("RCPT", "a2@example.com"): b"452 over quota"}
    async with SmtpReceiver(script=script) as receiver:
        channel = email_channel(receiver.port)
        outcomes = await send(channel, 5)
        assert verdicts(outcomes) == [*[DELIVERED] * 2, Verdict.DEFERRED, *[DELIVERED] * 2]
        await send(channel, 20, first=5)
        await channel.close()
    assert len(receiver.mails) == 24
    assert receiver.connected == 2, "the reader is tried once more, on a session of its own"


async def test_a_deadline_in_the_middle_of_a_mail_is_no_trouble_of_the_relay(monkeypatch):
    monkeypatch.setattr(window, "DEADLINE_RECHECK_S", -1.0)
    async with SmtpReceiver() as receiver:
        channel = email_channel(receiver.port)
        outcomes = await send(channel, 3, stop_after(1))
        await channel.close()
    assert verdicts(outcomes) == [UNSENT] * 3
    assert not any(outcome.channel_wide for outcome in outcomes)
