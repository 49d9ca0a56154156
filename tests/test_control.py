"""Pauses and breakers: kept in the bus, known everywhere within a second, never lost by silence."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest
import structlog
from starlette.testclient import TestClient

from consumers import breaker, circuit, control
from consumers.app import process
from consumers.app.settings import LoaSettings
from consumers.app.web import health
from consumers.circuit import Circuit
from consumers.control import Pauses
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bucket, Bus, Silence

PORTAL, EMAIL, ZALO = ChannelName.PORTAL, ChannelName.EMAIL, ChannelName.ZALO


async def test_a_pause_holds_until_it_is_taken_away(bus):
    assert await control.paused(bus) == set()
    await control.pause(bus, EMAIL, "bảo trì")
    await control.pause(bus, ZALO)
    assert await control.paused(bus) == {EMAIL, ZALO}
    await control.resume(bus, EMAIL)
    assert await control.paused(bus) == {ZALO}


async def test_pausing_and_resuming_twice_is_as_good_as_once(bus):
    for _ in range(2):
        await control.pause(bus, PORTAL)
    assert await control.paused(bus) == {PORTAL}
    for _ in range(2):
        await control.resume(bus, PORTAL)
    assert await control.paused(bus) == set()


async def test_a_pause_says_since_when_and_why(bus):
    await control.pause(bus, EMAIL, "bảo trì")
    value = await bus.bucket(subjects.CONTROL.name).get("pause.email")
    said = json.loads(value.data)
    assert said["reason"] == "bảo trì"
    assert datetime.fromisoformat(said["since"]).utcoffset() == timedelta(0)


async def test_a_second_pause_leaves_the_first_one_s_time_reason_and_name(bus):
    first = await control.hold(bus, EMAIL, "bảo trì", "Trần Thị B")
    second = await control.hold(bus, EMAIL, "thử", "Lê Văn C")
    assert (first.fresh, second.fresh) == (True, False)
    assert first.known == second.known == (await control.reasons(bus))[EMAIL]
    assert (first.known.reason, first.known.by) == ("bảo trì", "Trần Thị B")


async def test_a_reason_is_added_to_a_pause_that_had_none(bus):
    first = await control.hold(bus, EMAIL, by="Trần Thị B")
    second = await control.hold(bus, EMAIL, "bảo trì", "Lê Văn C")
    now = (await control.reasons(bus))[EMAIL]
    assert not second.fresh
    assert now == second.known
    assert (now.since, now.reason, now.by) == (first.known.since, "bảo trì", "Trần Thị B")


async def test_a_pause_whose_answer_was_lost_is_one_s_own(bus, monkeypatch):
    real, lost = Bucket.create, []

    async def silent_once(bucket, key, data, **options):
        revision = await real(bucket, key, data, **options)
        if not lost:
            lost.append(key)
            raise Silence("no answer")
        return revision

    monkeypatch.setattr(Bucket, "create", silent_once)
    assert (await control.hold(bus, EMAIL, "bảo trì")).fresh
    assert lost == ["pause.email"]


async def test_a_resume_tells_which_pause_it_ended_and_the_next_pause_is_a_new_one(bus):
    assert await control.resume(bus, EMAIL) is None
    first = await control.hold(bus, EMAIL, "bảo trì")
    assert await control.resume(bus, EMAIL) == first.known
    assert await control.resume(bus, EMAIL) is None
    assert (await control.hold(bus, EMAIL)).fresh
    assert (await control.reasons(bus))[EMAIL].reason == ""


async def test_a_pause_of_an_older_loa_names_nobody(bus):
    value = b'{"since": "2026-11-25T08:00:00+00:00", "reason": "Tet"}'
    await bus.bucket(subjects.CONTROL.name).put("pause.email", value)
    said = (await control.reasons(bus))[EMAIL]
    assert (said.since.isoformat(), said.reason, said.by) == (
        "2026-11-25T08:00:00+00:00",
        "Tet",
        "",
    )


async def test_every_other_process_knows_of_a_pause(nats_server, bus):
    await control.pause(bus, EMAIL)
    async with await Bus.connect(nats_server.url) as other:
        assert await control.paused(other) == {EMAIL}


async def test_a_breaker_is_no_pause_and_a_pause_no_breaker(bus, clock):
    await Circuit(bus, EMAIL, clock).change(lambda one: breaker.trip(one, "w", "away", clock()))
    await control.pause(bus, ZALO)
    assert await control.paused(bus) == {ZALO}
    assert await circuit.tripped(bus) == {EMAIL}


async def test_a_running_service_tells_its_workers_of_every_breaker_and_who_goes_on(bus, clock):
    pauses, told = Pauses(bus), []

    async def listen(now):
        told.append(now.state)

    pauses.listeners.append((EMAIL, listen))
    mail = Circuit(bus, EMAIL, clock)
    await pauses.look()
    await mail.change(lambda one: breaker.trip(one, "w", "away", clock()))
    await control.pause(bus, ZALO)
    await pauses.look()
    assert (pauses.standing, pauses.went_on.is_set()) == ({EMAIL, ZALO}, False)
    assert pauses.why() == {EMAIL: "breaker open: away", ZALO: "paused"}
    clock.advance(5)
    await mail.change(lambda one: breaker.probe(one, "w", clock()))
    await mail.change(lambda one: breaker.succeed(one, "w", clock()))
    await pauses.look()
    assert (pauses.standing, pauses.resumed) == ({ZALO}, {EMAIL})
    assert pauses.went_on.is_set()
    assert told == ["closed", "open", "closed"]


async def test_readyz_names_a_channel_that_stands_and_is_ready_all_the_same():
    standing = {}
    app = TestClient(health({}, lambda: standing))
    assert app.get("/readyz").json() == {"status": "ok", "failing": {}}
    standing["email"] = "breaker open: no connection"
    answer = app.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "failing": {}, "standing": standing}


@pytest.mark.parametrize(
    ("broken", "status"), [(False, "ok"), (True, "degraded")], ids=["paused", "and another broken"]
)
async def test_readyz_names_a_pause_and_is_degraded_by_a_breaker_alone(bus, clock, broken, status):
    pauses = Pauses(bus)
    await control.pause(bus, ZALO)
    if broken:
        await Circuit(bus, EMAIL, clock).change(lambda one: breaker.trip(one, "w", "away", clock()))
    await pauses.look()
    said = TestClient(health({}, pauses.why)).get("/readyz").json()
    assert (said["status"], said["standing"]["zalo"]) == (status, "paused")


async def test_readyz_names_what_fails_before_what_stands():
    async def away():
        return "away"

    answer = TestClient(health({"bus": away}, lambda: {"email": "breaker open: x"})).get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")


async def test_a_running_service_learns_of_a_pause_and_says_so_once(bus):
    pauses = Pauses(bus)
    await control.pause(bus, EMAIL)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await pauses.look()
        assert pauses.channels == {EMAIL}
        await control.resume(bus, EMAIL)
        for _ in range(3):
            await pauses.look()
    assert pauses.channels == set()
    assert [(one["event"], one["channel"]) for one in logs] == [
        ("channel_paused", EMAIL),
        ("channel_resumed", EMAIL),
    ]


async def test_a_running_service_keeps_looking(bus):
    pauses = Pauses(bus)
    looking = asyncio.create_task(pauses.run())
    await control.pause(bus, ZALO)
    async with asyncio.timeout(10):
        while pauses.channels != {ZALO}:
            await asyncio.sleep(0.01)
    looking.cancel()


async def test_a_service_that_starts_during_a_pause_knows_before_it_is_woken(
    nats_server, bus, tmp_path
):
    await control.pause(bus, PORTAL)
    async with AsyncExitStack() as stack:
        settings = LoaSettings(data_dir=tmp_path, http_port=0)
        node = await process.assemble(stack, settings, nats_server.url, "http://127.0.0.1:1")
        await process.add_services(node, ["deliver-portal"])
        assert node.pauses.channels == {PORTAL}, "although none of its tasks has begun"


@pytest.mark.parametrize("known", [frozenset(), frozenset({EMAIL})], ids=["running", "paused"])
async def test_silence_of_the_bus_changes_nothing(bus, monkeypatch, known):
    async def silent(bus):
        raise Silence("no answer")

    pauses = Pauses(bus, known)
    monkeypatch.setattr(control, "paused", silent)
    await pauses.look()
    assert pauses.channels == known
