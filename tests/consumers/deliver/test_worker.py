"""Delivering on a real bus: who gets what, once, under every fault."""

import asyncio
import errno
from contextlib import suppress

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from consumers.channel_health import breaker_store
from consumers.deliver import worker_slot_file
from consumers.ledger.wakeups import WakeUp
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import LaneSemaphore
from contracts.delivery import BatchKey, ChannelName, Lane, Status
from contracts.errors import Invalid
from tests.support.delivery_pipeline import EMAIL, wake_ups
from tests.support.scripted_channel import OK
from tests.support.waiting import until


async def test_everybody_gets_the_item_once(delivery_pipeline, bus):
    loa = delivery_pipeline(1203)
    plan = await loa.plan()
    cursor = (await loa.ledger.plan(plan)).value
    assert (cursor.count, cursor.planned, cursor.total, cursor.complete) == (3, 1203, 1203, True)
    assert await wake_ups(bus) == 3
    await loa.work_plan(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 1203}
    assert sorted(loa.provider.effects.values()) == [1] * 1203
    assert max(loa.provider.windows) == 25


async def test_a_wake_up_moved_to_another_channel_sends_and_books_nothing(delivery_pipeline):
    loa = delivery_pipeline(2)
    plan = await loa.plan()
    for channel in set(ChannelName) - {loa.provider.name}:
        moved = BatchKey(channel, plan.content_id, plan.revision, 0)
        with pytest.raises(Invalid) as caught:
            await loa.worker.on_wake_up(WakeUp(batch=str(moved), lane=Lane.NORMAL))
        assert caught.value.errors[0].field == "batch"
    assert not loa.provider.effects
    assert (await loa.entry(plan)).rows == b"pp"


async def test_a_busy_relay_is_asked_again_and_the_reader_gets_one_copy(delivery_pipeline, bus):
    later = [Outcome(Verdict.DEFERRED, "451 4.7.1")]
    loa = delivery_pipeline(1, answer=lambda row: later.pop() if later else OK)
    plan = await loa.plan()
    await loa.work(plan)
    entry = await loa.entry(plan)
    assert (entry.rows, entry.notes[0].reason) == (b"r", "451 4.7.1")
    assert entry.due == loa.clock() + 5
    assert await wake_ups(bus) == 2, "the first wake-up and the scheduled one"
    await loa.work(plan)
    assert (await loa.entry(plan)).rows == b"r", "too early: nothing is sent"
    loa.clock.advance(5)
    await loa.work(plan)
    assert (await loa.entry(plan)).rows == b"d"
    assert list(loa.provider.effects.values()) == [1]


@pytest.mark.promise("3.7")
@pytest.mark.parametrize("down", [None, Unreachable("connect")], ids=["", "the relay is away"])
async def test_an_item_whose_time_is_over_expires(delivery_pipeline, down):
    loa = delivery_pipeline(2, down=down)
    plan = await loa.plan(expires_at="2027-02-01T00:00:00Z")
    loa.clock.now = 1_801_600_000
    await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.EXPIRED: 2}
    assert not loa.provider.effects


async def test_a_relay_that_is_down_leaves_the_batch_untouched(delivery_pipeline):
    loa = delivery_pipeline(2, down=Unreachable("connect", retry_after_s=7))
    plan = await loa.plan()
    with pytest.raises(RetryLater) as later:
        await loa.work(plan)
    assert later.value.delay_s == 1, "from then on the breaker says when"
    entry = await loa.entry(plan)
    assert (entry.rows, entry.owner) == (b"pp", "")
    assert await breaker_store.unavailable_circuits(loa.bus) == {EMAIL}


async def test_a_lost_connection_gives_the_rest_of_the_batch_back(delivery_pipeline):
    loa = delivery_pipeline(60)
    lost = iter([*[OK] * 30, Outcome(Verdict.DOUBT), *[Outcome(Verdict.UNSENT)] * 19])
    loa.provider.answer = lambda row: next(lost, OK)
    plan = await loa.plan()
    with pytest.raises(RetryLater):
        await loa.work(plan)
    counts = {Status.DELIVERED: 30, Status.IN_DOUBT: 1, Status.PENDING: 29}
    assert await loa.status_counts(plan) == counts
    await loa.work(plan)
    entry = await loa.entry(plan)
    assert entry.count_by_status() == {Status.DELIVERED: 60}
    assert entry.possible_copies == 1, "the row in doubt was sent again and is declared"


async def test_a_doubt_that_only_a_person_can_end_is_never_sent_again(delivery_pipeline):
    loa = delivery_pipeline(1, answer=lambda row: Outcome(Verdict.DOUBT))
    loa.provider.known = lambda row: Outcome(Verdict.UNKNOWN)
    plan = await loa.plan()
    with pytest.raises(RetryLater):
        await loa.work(plan)
    assert (await loa.entry(plan)).rows == b"P"
    await loa.work(plan)
    assert (await loa.entry(plan)).rows == b"K"
    assert loa.provider.windows == [1]


async def test_an_urgent_batch_makes_a_bulk_one_step_aside(delivery_pipeline):
    loa = delivery_pipeline(500, connections=1)
    loa.worker.semaphore = LaneSemaphore(1, reserved=0)
    bulk = await loa.plan(lane="bulk")
    urgent = await loa.plan(content_id="canh-bao", lane="urgent")
    async with loa.held_window(loa.work(bulk, lane=Lane.BULK)) as running:
        overtaking = asyncio.create_task(loa.work(urgent, lane=Lane.URGENT))
        await until(lambda: loa.worker.semaphore.waiting)
    with pytest.raises(RetryLater):
        await running
    await overtaking
    assert [key for key, _ in loa.provider.arrivals[:25]] == ["lich-nghi-tet-2027.1"] * 25
    assert {key for key, _ in loa.provider.arrivals[25:]} == {"canh-bao.1"}
    await loa.work(bulk, lane=Lane.BULK)
    assert sorted(loa.provider.effects.values()) == [1] * 1000


async def test_a_disk_without_room_for_the_slots_list_stops_no_delivery(
    delivery_pipeline, monkeypatch
):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    loa = delivery_pipeline(30)
    plan = await loa.plan()
    monkeypatch.setattr(worker_slot_file.os, "pwrite", refuse)
    await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 30}
    assert loa.worker.slot.active_batches == set()


async def test_a_stop_ends_the_window_after_the_mail_on_the_wire(delivery_pipeline):
    loa = delivery_pipeline(25)

    def answer(row):
        loa.worker.stop()
        return OK

    loa.provider.answer = answer
    plan = await loa.plan()
    with pytest.raises(RetryLater):
        await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 1, Status.PENDING: 24}


@pytest.mark.parametrize(
    ("down", "told"),
    [(None, "batch_closed"), (Unreachable("no connection"), "channel_unavailable")],
)
async def test_each_line_of_a_batch_carries_the_ids_of_its_item_and_event(
    delivery_pipeline, down, told
):
    loa = delivery_pipeline(1, down=down)
    plan = await loa.plan()
    with capture_logs(processors=[merge_contextvars]) as lines, suppress(RetryLater):
        await loa.work(plan)
    assert told in [line["event"] for line in lines]
    for line in lines:
        ids = (line["content_id"], line["revision"], line["event_id"], line["batch"])
        assert ids == (plan.content_id, plan.revision, "e" * 26, f"{plan}.0"), line["event"]
