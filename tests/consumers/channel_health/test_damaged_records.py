"""A record of `control` that can't be read stops no delivery and no process, and is made anew."""

import asyncio
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from consumers.app import node
from consumers.channel_health.breaker import Breaker, BreakerState
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.canary.sender import CanarySender
from consumers.channel_health.canary.settings import CanarySettings
from consumers.channel_health.canary.status import answer_key, load_records
from consumers.channel_health.canary.worker import CanaryWorker
from consumers.channel_health.destinations import load_destinations
from consumers.channel_health.pauses import ChannelMonitor, pause
from consumers.channel_health.readback import ReadbackStatus
from consumers.channel_health.trouble import Trouble, TroubleMonitor
from consumers.email.refused_items import REFUSED_KEY
from consumers.ledger.wakeups import CanaryKey, Waker, count_queued
from consumers.runtime.errors import RetryLater
from contracts.delivery import ChannelName, Lane
from producers.bus.periodic import every
from tests.support.bounce_pipeline import BouncePipeline
from tests.support.waiting import until
from tests.support.watched_gate import DELIVERED, LOST, WatchedGate

EMAIL, PORTAL = ChannelName.EMAIL, ChannelName.PORTAL
REFUSED = Outcome(Verdict.HELD, "552 too large", 300.0, channel_wide=True, message_refused=True)


@pytest.fixture
def damage(bus):
    async def damage(*keys):
        for key in keys:
            await bus.bucket("control").put(key, b"not a record")

    return damage


async def test_what_readers_see_is_told_over_a_damaged_record(bus, clock, damage):
    await damage("outlet.portal")
    await ReadbackStatus(bus, "https://tin.example.gov.vn", clock).report("HTTP 502")
    assert (await load_destinations(bus))[PORTAL].unseen == "HTTP 502"


async def test_a_damaged_record_of_another_channel_is_no_matter_of_this_one(bus, clock, damage):
    await damage("outlet.zalo")
    trouble = Trouble(clock)
    trouble.note_failure("no connection")
    await TroubleMonitor(bus, EMAIL, {"email": trouble}).publish()
    stored = await bus.bucket("control").get("outlet.email")
    assert b"no connection" in stored.data


async def test_a_periodic_task_outlives_a_damaged_record_and_names_it(bus, damage):
    await damage("canary.email.sent")
    looks = []

    async def look():
        looks.append(1)
        await load_records(bus, [EMAIL])

    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(every(0.001, look))
        await until(lambda: len(looks) > 1)
        task.cancel()
    told = {one["record"] for one in logs if one["event"] == "record_unreadable"}
    assert told == {"canary.email.sent"}


async def test_a_pause_is_obeyed_beside_a_breaker_that_can_not_be_read(bus, damage):
    monitor = ChannelMonitor(bus)
    await BreakerStore(bus, EMAIL).update(lambda _: Breaker(state=BreakerState.OPEN))
    await monitor.refresh()
    await damage("breaker.email")
    await pause(bus, PORTAL)
    await monitor.refresh()
    assert monitor.paused_channels == {PORTAL}
    assert monitor.breaker("email").state is BreakerState.OPEN, "as it was known"
    assert monitor.breaker("zalo").is_closed


async def test_a_gate_makes_a_damaged_breaker_anew(bus, clock, damage):
    gate = WatchedGate(bus, clock)
    await damage("breaker.email")
    await gate.record_window([DELIVERED])
    for _ in range(3):
        await gate.record_window([LOST])
    assert gate.current.state is BreakerState.OPEN
    assert (await BreakerStore(bus, EMAIL).update(lambda one: one)).state is BreakerState.OPEN


def away():
    raise Unreachable("no connection", retry_after_s=1.0)


async def test_a_canary_is_answered_over_a_damaged_answer(bus, damage):
    await damage(answer_key(EMAIL))
    channel = SimpleNamespace(session=away)
    await CanaryWorker(bus, channel).handle(CanaryKey(EMAIL, 3))
    assert (await load_records(bus, [EMAIL]))[EMAIL][1].number == 3


async def test_readyz_answers_over_damaged_records(bus, damage):
    await damage("outlet.portal", "canary.email.sent")
    assert await node.portal_readback_status(bus) == {}
    assert await node.Node.canaries(SimpleNamespace(bus=bus, clock=time.time)) == {}


async def test_an_item_is_held_over_damaged_refusals(bus, tmp_path, damage):
    loa = BouncePipeline(bus, tmp_path, 3)
    loa.answers |= dict.fromkeys(loa.readers.ids, REFUSED)
    await damage(REFUSED_KEY)
    plan = await loa.plan()
    with suppress(RetryLater):  # and no ValidationError, which makes a dead letter of the wake-up
        await loa.work(plan)
    assert loa.sending.is_stopped(plan)


async def test_a_damaged_canary_costs_its_own_channel_its_canary_and_no_other(bus, damage):
    settings = CanarySettings(every_s=900, grace_s=60, channels="email,portal,zalo")
    await damage("canary.email.sent")
    with structlog.testing.capture_logs() as logs:
        await CanarySender(bus, Waker(bus), settings).send_due()
    async with asyncio.timeout(60):
        for channel in (PORTAL, ChannelName.ZALO):  # the server counts a moment after it stores
            while not await count_queued(bus, channel, Lane.URGENT):
                await asyncio.sleep(0)
    assert not await count_queued(bus, EMAIL, Lane.URGENT)
    assert {"record_unreadable"} == {one["event"] for one in logs}
