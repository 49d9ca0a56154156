"""Pace and bounce stops: slower after throttling, stopped after too many bounces."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Outcome, Verdict
from consumers.email import bounce_stops, pace
from consumers.email.pace import SendPace
from consumers.email.policy import EmailSendPolicy
from consumers.email.refused_items import HOLD_S, REFUSED_KEY
from consumers.runtime.errors import RetryLater
from contracts.delivery import BatchKey, Status
from producers.bus import NoReply
from tests.support.bounce_pipeline import BouncePipeline
from tests.support.waiting import until

SLOW = Outcome(Verdict.DEFERRED, "451 4.7.0", 60.0, code="4.7.0")


@given(st.lists(st.floats(0, 600), max_size=30))
def test_the_pace_never_leaves_its_levels_and_always_comes_back(steps):
    now, one = 1e9, pace.FULL_PACE
    for step in steps:
        now += step
        after = pace.one_level_slower(one, "4.7.0", now)
        assert 1 <= after.level_at(now) <= pace.MAX_LEVEL
        assert after.level_at(now) <= one.level_at(now) + 1
        one = after
    assert one.level_at(now + pace.MAX_LEVEL * pace.QUIET_S) == 0


def test_complaints_that_come_together_count_once():
    one = pace.one_level_slower(pace.FULL_PACE, "4.7.0", 1000.0)
    assert pace.one_level_slower(one, "4.7.0", 1000.0 + pace.HOLD_S - 1) == one
    assert pace.one_level_slower(one, "4.7.0", 1000.0 + pace.HOLD_S + 1).level == 2
    assert one.level_at(1000.0 + pace.QUIET_S - 1) == 1
    assert one.level_at(1000.0 + pace.QUIET_S) == 0
    assert one.level_at(0.0) == 0, "the clock was set back"


@pytest.mark.parametrize(
    ("connections", "places"),
    [(8, [8, 4, 2, 1, 1, 1, 1]), (1, [1] * 7), (5, [5, 2, 1, 1, 1, 1, 1])],
)
def test_how_many_connections_a_level_leaves(connections, places):
    assert [pace.allowed_connections(connections, level) for level in range(7)] == places


@pytest.fixture
def new_bounce_pipeline(bus, tmp_path):
    return lambda count=2, **provider: BouncePipeline(bus, tmp_path, count, **provider)


async def test_a_busy_relay_gets_fewer_connections_and_then_all_again(new_bounce_pipeline):
    loa = new_bounce_pipeline(4, connections=8)
    loa.answers = {loa.readers.ids[0]: SLOW}
    with structlog.testing.capture_logs() as logs:
        await loa.deliver()
    assert loa.worker.semaphore.capacity == 4
    assert "mail_slowed" in {one["event"] for one in logs}
    other = EmailSendPolicy(loa.bus, type(loa.worker.semaphore)(8), loa.clock)
    await other.refresh()
    assert other.semaphore.capacity == 4, "every process goes by it, a restarted one too"
    loa.clock.advance(pace.QUIET_S)
    await other.refresh()
    assert other.semaphore.capacity == 8


async def test_the_slowest_pace_sends_a_window_and_keeps_a_place(new_bounce_pipeline, monkeypatch):
    loa = new_bounce_pipeline(10, window=3, connections=2)
    monkeypatch.setattr(pace, "PAUSES_S", (0.0,) * 6 + (0.05,))
    loa.sending.pace = SendPace(level=pace.MAX_LEVEL, at=loa.clock())
    plan = await loa.plan()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(3):
        with pytest.raises(RetryLater):
            await loa.work(plan)
    assert loop.time() - began >= 3 * 0.05
    assert loa.provider.windows == [3, 3, 3]
    assert await loa.status_counts(plan) == {Status.DELIVERED: 9, Status.PENDING: 1}
    loa.sending.stop()
    monkeypatch.setattr(pace, "PAUSES_S", (0.0,) * 6 + (60.0,))
    await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 10}, "a stop does not wait"


async def test_windows_full_of_refusals_of_us_open_the_breaker_one_does_not(new_bounce_pipeline):
    loa = new_bounce_pipeline(100)
    ours = Outcome(Verdict.HELD, "550 5.7.1", 300.0, channel_wide=True, code="5.7.1")
    loa.answers = {loa.readers.ids[0]: ours}
    for content_id, closed in (("tin-mot", True), ("tin-hai", False)):
        plan = await loa.plan(content_id=content_id)
        for _ in range(4):
            with suppress(RetryLater):
                await loa.work(plan)
        assert (await loa.circuit.update(lambda one: one)).is_closed == closed
        loa.answers = dict.fromkeys(loa.readers.ids, ours)
    await loa.consume_receipts()
    assert await loa.suppression_reason(loa.readers.ids[1]) is None, "never held against a reader"


async def test_a_stop_reaches_a_batch_in_the_middle(new_bounce_pipeline):
    loa = new_bounce_pipeline(10, window=5)
    plan = await loa.plan()
    loa.provider.hold = asyncio.Event()
    working = asyncio.create_task(loa.work(plan))
    await until(lambda: loa.provider.windows)
    await bounce_stops.apply_verdict(
        loa.bus, plan, bounce_stops.BounceStop(state="stopped", at=loa.clock(), mails=5, failed=5)
    )
    await loa.sending.refresh()
    loa.provider.hold.set()
    with pytest.raises(RetryLater):
        await working
    assert (await loa.entry(plan)).rows == b"pppppppppp", "it is asked before each row"
    assert loa.provider.windows == [5]


async def test_a_greylisted_recipient_waits_alone_and_nobody_is_slowed_down(new_bounce_pipeline):
    loa = new_bounce_pipeline(4, connections=8)
    loa.answers = {loa.readers.ids[0]: Outcome(Verdict.DEFERRED, "451 4.7.1", 300.0, code="4.7.1")}
    plan = await loa.deliver()
    assert await loa.status_counts(plan) == {Status.DEFERRED: 1, Status.DELIVERED: 3}
    assert loa.worker.semaphore.capacity == 8
    assert await loa.bus.bucket("control").get(pace.PACE_KEY) is None


async def test_a_record_that_can_not_be_read_stops_no_mail(bus, tmp_path):
    loa = BouncePipeline(bus, tmp_path, 3)
    for key in (pace.PACE_KEY, bounce_stops.STOPS_KEY, REFUSED_KEY):
        await bus.bucket("control").put(key, b'{"level": "fast", "plans": 3}')
    with structlog.testing.capture_logs() as logs:
        await loa.sending.refresh()
    assert [one["event"] for one in logs] == ["mail_control_unreadable"] * 3
    plan = await loa.plan()
    await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 3}


async def test_an_item_is_held_by_a_worker_that_may_not_tell_the_others(bus, tmp_path):
    loa = BouncePipeline(bus, tmp_path, 3)
    refused = Outcome(Verdict.HELD, "552 too large", 300.0, channel_wide=True, message_refused=True)
    loa.answers |= dict.fromkeys(loa.readers.ids, refused)

    def denied(name):
        raise NoReply("permissions violation")

    plan = await loa.plan()
    loa.sending.bus = SimpleNamespace(bucket=denied)
    with suppress(RetryLater):
        await loa.work(plan)
    assert loa.sending.is_stopped(plan) and loa.sending.hold_s(BatchKey(*plan, 0)) >= 1
    loa.clock.advance(HOLD_S)
    assert not loa.sending.is_stopped(plan), "and tried again"


async def test_an_item_that_was_once_refused_costs_no_reading_of_the_bus_for_each_window(
    new_bounce_pipeline, monkeypatch
):
    loa = new_bounce_pipeline(20, window=2)
    refused = Outcome(Verdict.HELD, "552 too large", 300.0, channel_wide=True, message_refused=True)
    loa.answers |= dict.fromkeys(loa.readers.ids, refused)
    with suppress(RetryLater):
        await loa.work(await loa.plan(content_id="tin-to"))
    loa.answers.clear()
    changes, update = [], loa.sending.update_refused

    async def count(change):
        changes.append(change)
        await update(change)

    monkeypatch.setattr(loa.sending, "update_refused", count)
    plan = await loa.deliver()
    assert await loa.status_counts(plan) == {Status.DELIVERED: 20}
    assert len(loa.provider.windows) >= 10 and len(changes) == 1, "that it is refused alone"
    assert loa.sending.refused.is_own(BatchKey("email", "tin-to", 1, 0).plan)
