"""Senders of canaries come and go: what a channel owes is neither forgotten nor made up."""

from typing import Any

import pytest

from consumers.canary.settings import CanarySettings
from consumers.canary.standing import OFF
from contracts import subjects
from producers.bus import Silence
from tests.canary_shaft import EVERY_S, GRACE_S, SETTINGS, SUBJECT, Shaft


@pytest.fixture
def shaft(bus, tmp_path):
    return Shaft(bus, tmp_path)


async def test_the_time_before_a_start_does_not_count(shaft):
    await shaft.round()
    await shaft.take()
    shaft.clock.forward(100_000)
    shaft.sender = shaft.a_sender()
    assert await shaft.round() == []
    assert (await shaft.stands()).state == "waiting"


async def test_a_sender_that_restarts_all_the_time_hides_no_dead_channel(shaft):
    for _ in range(int((EVERY_S + GRACE_S) / 60)):
        shaft.sender = shaft.a_sender()
        assert await shaft.round() == []
        shaft.clock.forward(60)
    shaft.clock.forward(1)
    shaft.sender = shaft.a_sender()
    [late] = await shaft.round()
    assert late["why"] == "nobody took it from the queue"
    assert (await shaft.stands()).state == "late"


@pytest.mark.parametrize("away_s", [30, GRACE_S, EVERY_S - 2, EVERY_S, 2 * EVERY_S])
async def test_while_no_sender_was_there_no_channel_is_to_blame(shaft, away_s):
    await shaft.round()
    await shaft.take()
    for _ in range(int(EVERY_S / 60)):
        shaft.clock.forward(60 - 1)
        assert await shaft.round() == []
    shaft.clock.forward(away_s)
    shaft.sender = shaft.a_sender()
    assert await shaft.round() == [], "it was well, and nothing was sent meanwhile"
    shaft.clock.forward(GRACE_S / 3)
    assert await shaft.round() == []
    await shaft.take()
    assert (await shaft.stands()).state == "ok"


async def test_what_a_channel_owes_is_counted_over_several_lives_of_the_sender(shaft):
    """Each life is shorter than a period, and nobody is there for as long in between."""
    lived = 0.0
    while lived < 3 * (EVERY_S + GRACE_S):
        shaft.sender = shaft.a_sender()
        for _ in range(10):
            await shaft.round()
            if (await shaft.stands()).state == "late":
                assert lived >= EVERY_S
                return
            shaft.clock.forward(60)
            lived += 60
        shaft.clock.forward(EVERY_S)
    pytest.fail("it is hidden for ever")


async def test_a_new_period_is_obeyed_after_a_restart(shaft):
    await shaft.round()
    quick = SETTINGS.model_copy(update={"every_s": 60.0, "grace_s": 10.0})
    shaft.sender = shaft.a_sender(quick)
    await shaft.round()
    shaft.clock.forward(71)
    assert (await shaft.stands()).state == "late"


async def test_switched_off_and_on_again_it_goes_on_where_it_was(shaft):
    for _ in range(3):
        await shaft.round()
        await shaft.take()
        shaft.clock.forward(EVERY_S)
    await shaft.a_sender(CanarySettings(every_s=0)).run()
    assert await shaft.stands() == OFF
    shaft.sender = shaft.a_sender()
    for _ in range(3):
        assert await shaft.round() == []
        await shaft.take()
        assert (await shaft.stands()).state == "ok"
        shaft.clock.forward(EVERY_S)
    assert [one.number for one in shaft.way.tried] == [1, 2, 3, 4, 5, 6]


async def test_numbers_go_on_behind_those_that_were_taken(shaft):
    """Also where an earlier version, or somebody's hand, has removed the sender's record."""
    for _ in range(3):
        await shaft.round()
        await shaft.take()
        shaft.clock.forward(EVERY_S)
    await shaft.bus.bucket(subjects.CONTROL.name).purge("canary.email.sent")
    for _ in range(2):
        await shaft.round()
        await shaft.take()
        shaft.clock.forward(EVERY_S)
    assert [one.number for one in shaft.way.tried] == [1, 2, 3, 4, 5]
    assert (await shaft.stands()).state == "ok"


async def test_one_that_was_noted_and_not_sent_is_sent_after_all(shaft, monkeypatch):
    publish = shaft.bus.publish

    async def away(subject: str, *args: Any, **kwargs: Any) -> Any:
        if subject == SUBJECT:
            raise Silence("away")
        return await publish(subject, *args, **kwargs)

    monkeypatch.setattr(shaft.bus, "publish", away)
    with pytest.raises(Silence):
        await shaft.round()
    monkeypatch.setattr(shaft.bus, "publish", publish)
    assert await shaft.waiting() == []
    shaft.clock.forward(5)
    await shaft.round()
    await shaft.round()
    assert [one.batch for one in await shaft.waiting()] == ["canary.email.1"]
    await shaft.take()
    assert (await shaft.stands()).state == "ok"
