"""Effects of Zalo's events: lifted suppressions, template news, and the way over the bus."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from consumers.app import broker as app_broker
from consumers.app.broker import sealed_only
from consumers.seals.records import seal_zalo_receipts
from consumers.suppression.store import SuppressionStore
from consumers.zalo.erasure import WITHDRAWN_REASON, zalo_address
from contracts import subjects
from producers.seals import publish_sealed
from tests.support.zalo_events import ZALO
from tests.support.zalo_notices import SERVING
from tests.support.zalo_webhook import PHONE, USER

# --- suppressions


@pytest.mark.parametrize("kind", ["follow", "inbound", "interaction"])
async def test_who_comes_back_is_told_again(zalo_events, kind):
    suppressed = zalo_events.people.suppressions
    await suppressed.add(ZALO, zalo_address(USER), "blocked", None, at=zalo_events.now())
    await zalo_events.handle(kind, ago_s=5)
    assert await suppressed.reason(ZALO, zalo_address(USER)) == "blocked", "an older word"
    await zalo_events.handle("unfollow", ago_s=-5)
    assert await suppressed.reason(ZALO, zalo_address(USER)) == "blocked"
    await zalo_events.handle(kind, ago_s=-6)
    assert await suppressed.reason(ZALO, zalo_address(USER)) is None


async def test_what_is_said_while_one_is_lifted_stays(bus):
    suppressed = SuppressionStore(bus, b"secret")
    address = zalo_address(USER)
    now, hour = datetime.now(UTC), timedelta(hours=1)
    await suppressed.add(ZALO, address, "blocked", now + hour, at=now - 2 * hour)
    real = suppressed.bucket.purge_if

    async def overtaken(key, revision):
        suppressed.bucket.purge_if = real
        await suppressed.add(ZALO, address, WITHDRAWN_REASON, None)
        return await real(key, revision)

    suppressed.bucket.purge_if = overtaken
    assert not await suppressed.lift(ZALO, address, requested_at=now - hour)
    assert await suppressed.reason(ZALO, address) == WITHDRAWN_REASON


async def test_a_person_who_lifts_one_stays_on_record_and_no_address_does(bus):
    suppressed = SuppressionStore(bus, b"secret")
    await suppressed.add(ZALO, PHONE, "blocked", None)
    await suppressed.add(ZALO, "84987654321", "blocked", datetime.now(UTC) + timedelta(days=1))
    await suppressed.add(ZALO, "84987654322", "blocked", datetime.now(UTC) - timedelta(days=1))
    assert (await suppressed.count_by_reason(ZALO)).total() == 2
    assert await suppressed.lift(ZALO, PHONE, by="Trần Thị Bình")
    assert not await suppressed.lift(ZALO, PHONE, by="Trần Thị Bình")
    assert await suppressed.reason(ZALO, PHONE) is None
    assert (await suppressed.count_by_reason(ZALO)).total() == 1
    stored = [(key, value.data.decode()) async for key, value in suppressed.bucket.values()]
    assert "Trần Thị Bình" in repr(stored)
    assert "84" + PHONE[2:] not in repr(stored)


# --- templates


async def test_news_of_templates_and_of_the_daily_quota_reach_the_registry(zalo_events):
    await zalo_events.templates.register(SERVING)
    found = zalo_events.account.sandbox.world.templates.templates[SERVING["5"]]
    template = found.model_copy(update={"status": "DISABLE", "quality": "LOW"})
    await zalo_events.zalo.said("/_sandbox/templates", template.model_dump(mode="json"))
    await zalo_events.consume_all()
    await zalo_events.handle("quota", user_id="", quota=500)
    registered = await zalo_events.templates.current()
    changed = registered.template_for("5")
    assert (changed.state, changed.quality, registered.daily) == ("DISABLE", "LOW", 500)


# --- over the bus


async def test_events_reach_the_handler_over_the_bus(zalo_events, nats_server):
    consumer = subjects.RECEIPTS.consumers[1]
    assert consumer.durable == subjects.ZALO_EVENTS

    async def bury(stage, message, errors):
        raise AssertionError(errors)

    broker = app_broker.create_broker(nats_server.url, bury, app_broker.BrokerWatch())
    seal_zalo_receipts(zalo_events.bus, b"k" * 32)
    on_event = sealed_only(zalo_events.bus, zalo_events.people.on_event)
    app_broker.subscribe(broker, subjects.RECEIPTS, consumer, on_event, 4)
    await broker.start()
    row = {"channel": "zalo", "content_id": "tin", "revision": 1, "recipient": "broadcast"}
    body = json.dumps(row).encode()
    await publish_sealed(zalo_events.bus, "receipt.zalo.seen", body, "row")
    for number in range(10):
        await zalo_events.zalo.act(USER, "write", text=str(number))
    await zalo_events.webhook.post_due_events()
    async with asyncio.timeout(20):
        while True:
            info = await zalo_events.bus.consumer_info("RECEIPTS", subjects.ZALO_EVENTS)
            if info["ack_floor"]["stream_seq"] >= 11:
                break
            await asyncio.sleep(0.01)
    await broker.stop()
    assert len(zalo_events.sent()) == 1
