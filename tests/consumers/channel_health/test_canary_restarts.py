"""Senders of canaries come and go: what a channel owes is neither forgotten nor made up."""

from typing import Any

import pytest

from consumers.channel_health.canary.settings import CanarySettings
from consumers.channel_health.canary.status import CANARY_OFF
from contracts import subjects
from producers.bus import NoReply
from tests.support.canary_harness import EVERY_S, GRACE_S, SUBJECT


async def test_the_time_before_a_start_does_not_count(canaries):
    await canaries.round_trips()
    canaries.clock.advance(100_000)
    canaries.sender = canaries.new_sender()
    assert await canaries.send_round() == []
    assert (await canaries.status()).state == "waiting"


async def test_a_sender_that_restarts_all_the_time_hides_no_dead_channel(canaries):
    for _ in range(int((EVERY_S + GRACE_S) / 60)):
        canaries.sender = canaries.new_sender()
        assert await canaries.send_round() == []
        canaries.clock.advance(60)
    canaries.clock.advance(1)
    canaries.sender = canaries.new_sender()
    [late] = await canaries.send_round()
    assert late["why"] == "nobody took it from the queue"
    assert (await canaries.status()).state == "late"


@pytest.mark.parametrize("away_s", [30, GRACE_S, EVERY_S - 2, EVERY_S, 2 * EVERY_S])
async def test_while_no_sender_was_there_no_channel_is_to_blame(canaries, away_s):
    await canaries.round_trips()
    for _ in range(int(EVERY_S / 60)):
        canaries.clock.advance(60 - 1)
        assert await canaries.send_round() == []
    canaries.clock.advance(away_s)
    canaries.sender = canaries.new_sender()
    assert await canaries.send_round() == [], "it was well, and nothing was sent meanwhile"
    canaries.clock.advance(GRACE_S / 3)
    assert await canaries.send_round() == []
    await canaries.work()
    assert (await canaries.status()).state == "ok"


async def test_what_a_channel_owes_is_counted_over_several_lives_of_the_sender(canaries):
    """Each life is shorter than a period, and the gaps between are as long."""
    lived = 0.0
    while lived < 3 * (EVERY_S + GRACE_S):
        canaries.sender = canaries.new_sender()
        for _ in range(10):
            await canaries.send_round()
            if (await canaries.status()).state == "late":
                assert lived >= EVERY_S
                return
            canaries.clock.advance(60)
            lived += 60
        canaries.clock.advance(EVERY_S)
    pytest.fail("it is hidden for ever")


async def test_switched_off_and_on_again_it_goes_on_where_it_was(canaries):
    await canaries.round_trips(3)
    await canaries.new_sender(CanarySettings(every_s=0)).run()
    assert await canaries.status() == CANARY_OFF
    canaries.sender = canaries.new_sender()
    for _ in range(3):
        assert await canaries.send_round() == []
        await canaries.work()
        assert (await canaries.status()).state == "ok"
        canaries.clock.advance(EVERY_S)
    assert [one.number for one in canaries.channel.probed] == [1, 2, 3, 4, 5, 6]


async def test_numbers_go_on_behind_those_that_were_taken(canaries):
    """Also where an earlier version, or an operator, has removed the sender's record."""
    await canaries.round_trips(3)
    await canaries.bus.bucket(subjects.CONTROL.name).purge("canary.email.sent")
    await canaries.round_trips(2)
    assert [one.number for one in canaries.channel.probed] == [1, 2, 3, 4, 5]
    assert (await canaries.status()).state == "ok"


async def test_one_that_was_noted_and_not_sent_is_sent_after_all(canaries, monkeypatch):
    publish = canaries.bus.publish

    async def away(subject: str, *args: Any, **kwargs: Any) -> Any:
        if subject == SUBJECT:
            raise NoReply("away")
        return await publish(subject, *args, **kwargs)

    monkeypatch.setattr(canaries.bus, "publish", away)
    await canaries.send_round()
    monkeypatch.setattr(canaries.bus, "publish", publish)
    assert await canaries.pending_wake_ups() == []
    canaries.clock.advance(5)
    await canaries.send_round()
    await canaries.send_round()
    assert [one.batch for one in await canaries.pending_wake_ups()] == ["canary.email.1"]
    await canaries.work()
    assert (await canaries.status()).state == "ok"
