"""A long list of dead addresses is stopped while it is mailed."""

import asyncio
from contextlib import suppress

import pytest
import structlog

from consumers.email import bounce_monitor, bounce_stops
from consumers.email.bounce_monitor import BounceMonitor
from consumers.reporting.trace import TraceReader
from consumers.runtime.errors import RetryLater
from contracts.delivery import PlanKey, Status
from tests.support.bounce_pipeline import READERS, BouncePipeline, refusal


async def send_at_once(loa: BouncePipeline, plan: PlanKey) -> None:
    """All batches, on all connections; what was stopped comes again later."""

    async def one(number: int) -> None:
        with suppress(RetryLater):
            await loa.work(plan, number)

    count = (await loa.ledger.plan(plan)).value.count
    await asyncio.gather(*map(one, range(count)))


async def test_a_rotten_list_is_stopped_a_window_after_its_thousandth_mail(bounce_pipeline):
    plan = await bounce_pipeline.plan()
    with structlog.testing.capture_logs() as logs:
        await send_at_once(bounce_pipeline, plan)
    counts = await bounce_pipeline.status_counts(plan)
    left = counts[Status.DELIVERED] + counts[Status.FAILED]
    beyond = left - bounce_monitor.MIN_MAILS
    assert 0 <= beyond <= 9 * bounce_pipeline.provider.window
    assert counts[Status.PENDING] == READERS - left
    [line] = [one for one in logs if one["event"] == "bounces_stopped"]
    assert (line["percent"], line["log_level"]) == (13, "error")
    await it_is_told_and_goes_on_when_a_person_says_so(bounce_pipeline, plan)


async def told(loa: BouncePipeline, plan: PlanKey):
    """The counts and the timeline of `loa trace`."""
    trace = TraceReader(loa.bus, loa.clock)
    return await trace.channel_counts(plan, (await loa.ledger.plan(plan)).value)


async def it_is_told_and_goes_on_when_a_person_says_so(loa: BouncePipeline, plan: PlanKey) -> None:
    _, past = await told(loa, plan)
    [stop] = [one.detail for one in past if one.event == "stopped"]
    one = (await bounce_stops.load_stops(loa.bus)).plans[str(plan)]
    assert f"stopped by the bounce brake, {one.failed} of {one.mails} refused" in stop
    assert f"{one.failed - 1} x 5.1.1 (no such mailbox), 1 x 5.2.2 (mailbox full)" in stop
    assert f"`loa mail brakes release {plan.content_id} --by NAME`" in stop
    loa.clock.now += 60
    assert await bounce_stops.release_stop(loa.bus, plan, "Trần Thị Bình", loa.clock())
    await loa.sending.refresh()
    await send_at_once(loa, plan)
    assert set(await loa.status_counts(plan)) == {Status.DELIVERED, Status.FAILED}
    _, past = await told(loa, plan)
    assert [one.event for one in past][-2:] == ["stopped", "goes_on"]
    assert (past[-1].at - past[-2].at).total_seconds() >= 60, "the decision has its own time"
    await loa.consume_receipts()
    _, past = await told(loa, plan)
    [said] = [one.detail for one in past if one.event == "refused_at_once"]
    assert said == "526 refused at once: 525 x 5.1.1 (no such mailbox), 1 x 5.2.2 (mailbox full)"


async def come_back(loa: BouncePipeline, count: int, code="5.1.1", start=0) -> None:
    for reader in loa.readers.ids[start : start + count]:
        await loa.bounce(reader, code)


async def test_a_list_that_comes_back_is_warned_of_then_stopped_then_decided(new_bounce_pipeline):
    loa = await new_bounce_pipeline(1600)
    loa.answers = {reader: refusal("5.1.1") for reader in loa.readers.ids[:30]}
    plan = await loa.plan()
    await loa.work(plan, 0)
    await loa.work(plan, 1)
    await loa.consume_receipts()
    await come_back(loa, 19, start=30)
    await come_back(loa, 40, code="5.7.1", start=500)
    with structlog.testing.capture_logs() as logs:
        await loa.brake.check_changed()
        await come_back(loa, 1, start=49)
        await loa.brake.check_changed()
        await come_back(loa, 49, start=50)
        await loa.brake.check_changed()
        await come_back(loa, 1, start=99)
        restarted = BounceMonitor(loa.bus, loa.ledger, loa.clock)
        await restarted.load_recent()
        await restarted.check_changed()
    lines = [one for one in logs if one["event"].startswith("bounces_")]
    assert [(one["event"], one["failed"], one["percent"]) for one in lines] == [
        ("bounces_many", 50, 5),
        ("bounces_stopped", 100, 10),
    ]
    await stands_and_goes_on(loa, plan)


async def stands_and_goes_on(loa: BouncePipeline, plan) -> None:
    await loa.sending.refresh()
    with pytest.raises(RetryLater):
        await loa.work(plan, 2)
    assert (await loa.status_counts(plan))[Status.PENDING] == 600
    assert await bounce_stops.release_stop(loa.bus, plan, "Trần Thị Bình")
    assert not await bounce_stops.release_stop(loa.bus, plan, "Trần Thị Bình")
    await come_back(loa, 50, start=100)
    await loa.brake.check_changed()
    await loa.sending.refresh()
    await loa.work(plan, 2)
    await loa.work(plan, 3)
    assert (await loa.status_counts(plan))[Status.DELIVERED] == 1570
    count, past = await told(loa, plan)
    assert (count.bounced, count.expected) == (160, 1600)
    [moment] = [one for one in past if one.event == "came_back"]
    assert moment.detail.startswith("160 came back: 120 x 5.1.1 (no such mailbox), 40 x 5.7.1")
