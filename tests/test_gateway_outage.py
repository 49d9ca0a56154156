"""While the bus is frozen, full or gone the door says 503 in time, and never 202 for nothing."""

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager

import pytest

from contracts import subjects
from producers.bus import Bus, topology
from producers.server import NatsServer
from tests.doors import BATCH, an_event, open_door


@pytest.fixture
async def server(tmp_path):
    """A server of our own, whose guard leaves it frozen."""
    async with NatsServer(tmp_path / "nats", check_s=600) as server:
        yield server


@pytest.fixture
async def door(server, clock):
    async with await Bus.connect(server.url, name="door") as bus:
        await topology.apply(bus)
        async with open_door(bus, clock) as door:
            yield door


@asynccontextmanager
async def frozen(server):
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def is_unavailable(answer):
    problem = answer.json()
    return (
        answer.status_code == problem["status"] == 503
        and answer.headers["retry-after"] == "5"
        and problem["errors"][0]["message_vi"] != ""
    )


async def test_a_frozen_server_is_503_within_the_time_and_a_repeat_is_stored_once(server, door):
    started = time.monotonic()
    async with frozen(server):
        posts = [door.post(an_event(id=f"e-{n}", content_id=f"tin-{n}")) for n in range(5)]
        batch = door.post([an_event(id="b", content_id="lo")], BATCH)
        answers = await asyncio.gather(*posts, batch, door.get(f"/v1/events/{'a' * 26}"))
        took = time.monotonic() - started
    assert all(is_unavailable(answer) for answer in answers)
    assert took < 6
    for n in range(5):
        answer = await door.post(an_event(id=f"e-{n}", content_id=f"tin-{n}"))
        assert answer.status_code == 202
    assert sorted(one["id"] for one in await door.stored() if one["id"] != "b") == [
        f"e-{n}" for n in range(5)
    ]


async def test_a_server_that_freezes_between_claim_and_stream_is_503(server, door, monkeypatch):
    publish = Bus.publish

    async def freeze_first(*args, **more):
        os.kill(server.pid, signal.SIGSTOP)
        return await publish(*args, **more)

    with monkeypatch.context() as freezing:
        freezing.setattr(Bus, "publish", freeze_first)
        answer = await door.post(an_event())
    os.kill(server.pid, signal.SIGCONT)
    assert is_unavailable(answer)
    assert (await door.post(an_event())).status_code == 202
    assert len(await door.stored()) == 1


async def test_a_stream_that_is_gone_is_503(door):
    await door.bus.link.api(f"STREAM.DELETE.{subjects.CONTENT.name}")
    assert is_unavailable(await door.post(an_event()))


async def test_a_full_stream_is_503_and_what_it_holds_stays(door):
    assert (await door.post(an_event())).status_code == 202
    full = (await door.bus.stream_info(subjects.CONTENT.name))["config"] | {"max_msgs": 1}
    await door.bus.link.api(f"STREAM.UPDATE.{subjects.CONTENT.name}", full)
    assert is_unavailable(await door.post(an_event(id="e-2", content_id="tin-2")))
    assert [one["id"] for one in await door.stored()] == ["e-1"]


async def test_after_a_restart_of_the_server_the_door_opens_again(server, door):
    assert (await door.post(an_event())).status_code == 202
    os.kill(server.pid, signal.SIGKILL)
    answer = await door.post(an_event(id="e-2", content_id="tin-2"))
    while answer.status_code == 503:
        answer = await door.post(an_event(id="e-2", content_id="tin-2"))
    assert answer.status_code == 202
    assert (await door.post(an_event())).status_code == 202
    assert [one["id"] for one in await door.stored()] == ["e-1", "e-2"]
