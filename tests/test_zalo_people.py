"""What follows from an event: suppressions lifted, news of templates told, the way over the bus."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from consumers.app import shell
from consumers.suppressions import Suppressions
from consumers.zalo.erasure import WITHDRAWN, address_of
from contracts import subjects
from tests.zalo_hook import PHONE, USER
from tests.zalo_office import ZALO, an_office


@pytest.fixture
async def office(bus, tmp_path, clock):
    async with an_office(bus, tmp_path, clock) as office:
        yield office


# --- suppressions


@pytest.mark.parametrize("kind", ["follow", "inbound", "interaction"])
async def test_who_comes_back_is_told_again(office, kind):
    suppressed = office.people.suppressions
    await suppressed.add(ZALO, address_of(USER), "blocked", None, at=office.now())
    await office.people.on_event(office.event(kind, ago_s=5))
    assert await suppressed.reason(ZALO, address_of(USER)) == "blocked", "an older word"
    await office.people.on_event(office.event("unfollow", ago_s=-5))
    assert await suppressed.reason(ZALO, address_of(USER)) == "blocked"
    await office.people.on_event(office.event(kind, ago_s=-6))
    assert await suppressed.reason(ZALO, address_of(USER)) is None


async def test_what_is_said_while_one_is_lifted_stays(bus):
    suppressed = Suppressions(bus, b"secret")
    address = address_of(USER)
    now, hour = datetime.now(UTC), timedelta(hours=1)
    await suppressed.add(ZALO, address, "blocked", now + hour, at=now - 2 * hour)
    real = suppressed.bucket.purge_if

    async def overtaken(key, revision):
        suppressed.bucket.purge_if = real
        await suppressed.add(ZALO, address, WITHDRAWN, None)
        return await real(key, revision)

    suppressed.bucket.purge_if = overtaken
    assert not await suppressed.lift(ZALO, address, said_at=now - hour)
    assert await suppressed.reason(ZALO, address) == WITHDRAWN


async def test_a_passing_refusal_does_not_replace_what_has_no_end(bus):
    suppressed, soon = Suppressions(bus, b"secret"), datetime.now(UTC) + timedelta(days=1)
    await suppressed.add(ZALO, PHONE, WITHDRAWN, None)
    await suppressed.add(ZALO, PHONE, "blocked", soon)
    assert await suppressed.reason(ZALO, PHONE) == WITHDRAWN
    assert await suppressed.lift(ZALO, PHONE)
    await suppressed.add(ZALO, PHONE, "blocked", soon)
    assert await suppressed.reason(ZALO, PHONE) == "blocked"
    await suppressed.add(ZALO, PHONE, WITHDRAWN, None)
    assert await suppressed.reason(ZALO, PHONE) == WITHDRAWN


async def test_a_person_who_lifts_one_stays_on_record_and_no_address_does(bus):
    suppressed = Suppressions(bus, b"secret")
    await suppressed.add(ZALO, PHONE, "blocked", None)
    await suppressed.add(ZALO, "84987654321", "blocked", datetime.now(UTC) + timedelta(days=1))
    await suppressed.add(ZALO, "84987654322", "blocked", datetime.now(UTC) - timedelta(days=1))
    assert await suppressed.count(ZALO) == 2
    assert await suppressed.lift(ZALO, PHONE, by="Trần Thị Bình")
    assert not await suppressed.lift(ZALO, PHONE, by="Trần Thị Bình")
    assert (await suppressed.reason(ZALO, PHONE), await suppressed.count(ZALO)) == (None, 1)
    stored = [(key, value.data.decode()) async for key, value in suppressed.bucket.values()]
    assert "Trần Thị Bình" in repr(stored)
    assert "84" + PHONE[2:] not in repr(stored)


# --- templates


async def test_news_of_templates_are_handed_on(office):
    found = office.stage.sandbox.world.shelf.templates
    template = next(iter(found.values())).model_copy(update={"status": "DISABLE", "quality": "LOW"})
    await office.zalo.said("/_sandbox/templates", template.model_dump(mode="json"))
    await office.on_all()
    assert sorted(office.heard) == [(template.id, "", "LOW"), (template.id, "DISABLE", "")]


async def test_news_of_the_daily_quota_are_handed_on_with_their_time(office):
    event = office.event("quota", user_id="", quota=500)
    await office.people.on_event(event)
    assert office.heard == [(500, event.at.timestamp())]


# --- over the bus


async def test_events_reach_the_handler_over_the_bus(office, nats_server):
    consumer = subjects.RECEIPTS.consumers[1]
    assert consumer.durable == subjects.ZALO_PEOPLE

    async def bury(stage, message, errors):
        raise AssertionError(errors)

    broker = shell.broker(nats_server.url, bury, shell.Watched())
    shell.subscribe(broker, subjects.RECEIPTS, consumer, office.people.on_event, 4)
    await broker.start()
    row = {"channel": "zalo", "content_id": "tin", "revision": 1, "recipient": "broadcast"}
    await office.bus.publish("receipt.zalo.seen", json.dumps(row).encode())
    for number in range(10):
        await office.zalo.act(USER, "write", text=str(number))
    await office.line.heard()
    async with asyncio.timeout(20):
        while True:
            info = await office.bus.consumer_info("RECEIPTS", subjects.ZALO_PEOPLE)
            if info["ack_floor"]["stream_seq"] >= 11:
                break
            await asyncio.sleep(0.01)
    await broker.stop()
    assert len(office.sent()) == 1
