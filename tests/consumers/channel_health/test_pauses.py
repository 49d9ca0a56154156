"""Pauses and breakers: kept in the bus, known everywhere within a second, never lost by silence."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest
import structlog
from starlette.testclient import TestClient

from consumers.app import process
from consumers.app.settings import LoaSettings
from consumers.app.web.health import health_app
from consumers.channel_health import breaker, pauses
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.pauses import ChannelMonitor
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bucket, NoReply
from tests.support.waiting import until

PORTAL, EMAIL, ZALO = ChannelName.PORTAL, ChannelName.EMAIL, ChannelName.ZALO


async def test_a_pause_holds_until_it_is_taken_away_and_twice_is_as_good_as_once(bus):
    assert await pauses.paused_channels(bus) == set()
    await pauses.pause(bus, ZALO)
    for _ in range(2):
        await pauses.pause(bus, EMAIL, "bảo trì")
    assert await pauses.paused_channels(bus) == {EMAIL, ZALO}
    said = json.loads((await bus.bucket(subjects.CONTROL.name).get("pause.email")).data)
    assert said["reason"] == "bảo trì"
    assert datetime.fromisoformat(said["since"]).utcoffset() == timedelta(0)
    for _ in range(2):
        await pauses.resume(bus, EMAIL)
    assert await pauses.paused_channels(bus) == {ZALO}


async def test_a_pause_that_can_not_be_read_holds_is_shown_and_can_be_ended(bus):
    await bus.bucket(subjects.CONTROL.name).put("pause.email", b"{")
    assert await pauses.paused_channels(bus) == {EMAIL}
    assert (await pauses.load_pauses(bus))[EMAIL].reason == "unreadable"
    assert (await pauses.resume(bus, EMAIL)).reason == "unreadable"
    assert await pauses.paused_channels(bus) == set()


async def test_a_second_pause_leaves_the_first_one_s_time_reason_and_name(bus):
    first = await pauses.pause_if_running(bus, EMAIL, "bảo trì", "Trần Thị B")
    second = await pauses.pause_if_running(bus, EMAIL, "thử", "Lê Văn C")
    assert (first.just_written, second.just_written) == (True, False)
    assert first.value == second.value == (await pauses.load_pauses(bus))[EMAIL]
    assert (first.value.reason, first.value.by) == ("bảo trì", "Trần Thị B")


async def test_a_reason_is_added_to_a_pause_that_had_none(bus):
    first = await pauses.pause_if_running(bus, EMAIL, by="Trần Thị B")
    second = await pauses.pause_if_running(bus, EMAIL, "bảo trì", "Lê Văn C")
    now = (await pauses.load_pauses(bus))[EMAIL]
    assert not second.just_written
    assert now == second.value
    assert (now.since, now.reason, now.by) == (first.value.since, "bảo trì", "Trần Thị B")


async def test_a_pause_whose_answer_was_lost_is_one_s_own(bus, monkeypatch):
    real, lost = Bucket.create, []

    async def silent_once(bucket, key, data, **options):
        revision = await real(bucket, key, data, **options)
        if not lost:
            lost.append(key)
            raise NoReply("no answer")
        return revision

    monkeypatch.setattr(Bucket, "create", silent_once)
    assert (await pauses.pause_if_running(bus, EMAIL, "bảo trì")).just_written
    assert lost == ["pause.email"]


async def test_a_resume_tells_which_pause_it_ended_and_the_next_pause_is_a_new_one(bus):
    assert await pauses.resume(bus, EMAIL) is None
    first = await pauses.pause_if_running(bus, EMAIL, "bảo trì")
    assert await pauses.resume(bus, EMAIL) == first.value
    assert await pauses.resume(bus, EMAIL) is None
    assert (await pauses.pause_if_running(bus, EMAIL)).just_written
    assert (await pauses.load_pauses(bus))[EMAIL].reason == ""


async def test_a_pause_of_an_older_loa_names_nobody(bus):
    value = b'{"since": "2026-11-25T08:00:00+00:00", "reason": "Tet"}'
    await bus.bucket(subjects.CONTROL.name).put("pause.email", value)
    said = (await pauses.load_pauses(bus))[EMAIL]
    assert said.since == datetime.fromisoformat("2026-11-25T08:00:00+00:00")
    assert (said.reason, said.by) == ("Tet", "")


async def trip(bus, clock) -> None:
    """Open the breaker of the e-mail channel."""
    store = BreakerStore(bus, EMAIL, clock)
    await store.update(lambda one: breaker.fail(one, "w", "away", clock()))


async def test_a_running_service_tells_its_workers_of_every_breaker_and_who_goes_on(bus, clock):
    monitor, told = ChannelMonitor(bus), []

    async def listen(now):
        told.append(now.state)

    monitor.listeners.append((EMAIL, listen))
    mail = BreakerStore(bus, EMAIL, clock)
    await monitor.refresh()
    await trip(bus, clock)
    await pauses.pause(bus, ZALO)
    await monitor.refresh()
    assert (monitor.blocked_circuits, monitor.resumed_event.is_set()) == (
        {EMAIL, ZALO, "zalo.notices"},
        False,
    )
    assert monitor.blocked_reasons() == {EMAIL: "breaker open: away", ZALO: "paused"}
    clock.advance(5)
    await mail.update(lambda one: breaker.start_probe(one, "w", clock()))
    await mail.update(lambda one: breaker.succeed_probe(one, "w", clock()))
    await monitor.refresh()
    assert (monitor.blocked_circuits, monitor.resumed_circuits) == ({ZALO, "zalo.notices"}, {EMAIL})
    assert monitor.resumed_event.is_set()
    assert told == ["closed", "open", "closed"]


async def test_readyz_names_a_pause_and_is_degraded_by_a_breaker_alone(bus, clock):
    monitor = ChannelMonitor(bus)
    app = TestClient(health_app({}, monitor.blocked_reasons))
    assert app.get("/readyz").json() == {"status": "ok", "failing": {}}
    await pauses.pause(bus, ZALO)
    await monitor.refresh()
    paused = {"zalo": "paused"}
    assert app.get("/readyz").json() == {"status": "ok", "failing": {}, "standing": paused}
    await trip(bus, clock)
    await monitor.refresh()
    answer, standing = app.get("/readyz"), paused | {"email": "breaker open: away"}
    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "failing": {}, "standing": standing}


async def test_a_running_service_learns_of_a_pause_and_says_so_once(bus):
    monitor = ChannelMonitor(bus)
    await pauses.pause(bus, EMAIL)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await monitor.refresh()
        assert monitor.paused_channels == {EMAIL}
        await pauses.resume(bus, EMAIL)
        for _ in range(3):
            await monitor.refresh()
    assert monitor.paused_channels == set()
    assert [(one["event"], one["channel"]) for one in logs] == [
        ("channel_paused", EMAIL),
        ("channel_resumed", EMAIL),
    ]


async def test_a_running_service_keeps_looking(bus):
    monitor = ChannelMonitor(bus)
    looking = asyncio.create_task(monitor.run())
    await pauses.pause(bus, ZALO)
    await until(lambda: monitor.paused_channels == {ZALO})
    looking.cancel()


@pytest.mark.promise("8.4")
async def test_a_service_started_in_a_pause_knows_before_any_wake_up(nats_server, bus, tmp_path):
    await pauses.pause(bus, PORTAL)
    async with AsyncExitStack() as stack:
        settings = LoaSettings(data_dir=tmp_path, http_port=0)
        addresses = process.NodeAddresses(nats_server.url, "http://127.0.0.1:1")
        node = await process.build_node(stack, settings, bus, addresses)
        await process.add_services(node, ["deliver-portal"])
        assert node.pauses.paused_channels == {PORTAL}, "although none of its tasks has begun"


@pytest.mark.parametrize("known", [frozenset(), frozenset({EMAIL})], ids=["running", "paused"])
async def test_silence_of_the_bus_changes_nothing(bus, monkeypatch, known):
    async def silent(bus):
        raise NoReply("no answer")

    monitor = ChannelMonitor(bus, known)
    monkeypatch.setattr(pauses, "paused_channels", silent)
    await monitor.refresh()
    assert monitor.paused_channels == known


def test_the_reason_that_a_restore_gives_is_told_in_both_languages_and_in_vietnams_time():
    restored = "restored from the backup of 2026-11-29T05:00:00Z"
    said = pauses.describe_reason(f"{restored}; paused before, since 2026-11-28T01:00:00Z: relay")
    assert "2026-11-29 12:00:00+07" in said.en and "2026-11-28 08:00:00+07: relay" in said.en
    assert "12:00 ngày 29/11/2026" in said.vi and "08:00 ngày 28/11/2026: relay" in said.vi
    assert "khôi phục" in pauses.describe_reason(restored).vi
    assert pauses.describe_reason("bảo trì") == ("bảo trì", "bảo trì"), "a person's words stay"
