"""While the bus is frozen, full or gone the door says 503 in time, and never 202 for nothing."""

import asyncio
import os
import signal
from contextlib import ExitStack

import pytest

from contracts import subjects
from producers import acceptance
from producers.bus import Bucket, Bus, topology
from producers.nats_server import NatsServer
from producers.units import registry
from tests.support.frozen_process import frozen
from tests.support.gateway_client import (
    BATCH,
    IN_EARNEST_S,
    in_earnest,
    open_gateway,
    sample_event,
)

__all__ = ["in_earnest"]
PROMISED_S = 5.0


@pytest.fixture
async def server(tmp_path):
    """A server of our own, whose guard leaves it frozen."""
    async with NatsServer(tmp_path / "nats", check_s=600) as server:
        yield server


@pytest.fixture
async def client(server, clock):
    async with await Bus.connect(server.url, name="door") as bus:
        await topology.apply(bus)
        async with open_gateway(bus, clock) as door:
            yield door


@pytest.fixture
def freeze_server(server):
    """Call it and the server does nothing more, until `close`."""
    with ExitStack() as stack:
        yield stack, lambda: stack.enter_context(frozen(server.pid))


def is_unavailable(answer):
    problem = answer.json()
    return (
        answer.status_code == problem["status"] == 503
        and answer.headers["retry-after"] == "5"
        and problem["errors"][0]["message_vi"] != ""
    )


def test_the_door_s_waits_are_together_shorter_than_what_it_promises(in_earnest):
    """The look at the key takes its time from that of all the rest."""
    assert registry.READ_PATIENCE_S < acceptance.ANSWER_TIMEOUT_S < PROMISED_S


async def test_what_the_look_at_the_key_has_taken_is_not_given_again(client, monkeypatch):
    find = registry.UnitRegistry.find

    async def slow(self, unit):
        await asyncio.sleep(0.6)
        return await find(self, unit)

    with monkeypatch.context() as patched:
        patched.setattr(acceptance, "ANSWER_TIMEOUT_S", 0.5)
        patched.setattr(registry.UnitRegistry, "find", slow)
        assert is_unavailable(await client.post(sample_event()))
    assert (await client.post(sample_event())).status_code == 202


@pytest.mark.promise("1.4")
async def test_a_frozen_server_is_503_within_the_time_and_a_repeat_is_stored_once(
    server, client, monkeypatch
):
    """With the times that hold in earnest."""
    with frozen(server.pid), monkeypatch.context() as patched:
        patched.setattr(acceptance, "ANSWER_TIMEOUT_S", IN_EARNEST_S)
        posts = [client.post(sample_event(id=f"e-{n}", content_id=f"tin-{n}")) for n in range(5)]
        batch = client.post([sample_event(id="b", content_id="lo")], BATCH)
        answers = await asyncio.gather(*posts, batch, client.get(f"/v1/events/{'a' * 26}"))
    assert all(is_unavailable(answer) for answer in answers)
    for n in range(5):
        answer = await client.post(sample_event(id=f"e-{n}", content_id=f"tin-{n}"))
        assert answer.status_code == 202
    assert sorted(one["id"] for one in await client.stored_events() if one["id"] != "b") == [
        f"e-{n}" for n in range(5)
    ]


STEPS = [(Bucket, "get", 1), (Bucket, "get", 2), (Bucket, "create", 1), (Bucket, "create", 2)]


@pytest.mark.promise("1.4")
@pytest.mark.parametrize(("owner", "call", "time"), [*STEPS, (Bus, "publish", 1)])
async def test_wherever_the_bus_falls_silent_the_door_s_own_deadline_ends_the_wait(
    client, freeze_server, monkeypatch, owner, call, time
):
    """And no patience of the bus: who has as much of it as was promised is still waiting."""
    monkeypatch.setattr(registry, "READ_PATIENCE_S", 0.5)
    monkeypatch.setattr(acceptance, "ANSWER_TIMEOUT_S", 0.5)
    thaw, freeze = freeze_server
    real, look, calls, patient = getattr(owner, call), Bucket.get, [], []

    async def freezing(*args, **more):
        calls.append(args)
        if len(calls) == time:
            freeze()
            asked = look(client.bus.bucket(subjects.EVENTS.name), "a" * 26, patience_s=PROMISED_S)
            patient.append(asyncio.create_task(asked))
        return await real(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(owner, call, freezing)
        while not patient:  # a busy machine may need all the time for what comes before
            calls.clear()
            answer = await client.post(sample_event())
    thaw.close()
    assert is_unavailable(answer)
    assert [one.done() for one in patient] == [False]
    assert await patient[0] is None
    monkeypatch.undo()
    assert (await client.post(sample_event())).status_code == 202
    assert [one["id"] for one in await client.stored_events()] == ["e-1"]


async def test_a_stream_that_is_gone_is_503(client, in_earnest):
    await client.bus.connection.api_request(f"STREAM.DELETE.{subjects.CONTENT.name}")
    assert is_unavailable(await client.post(sample_event()))


@pytest.mark.promise("1.4")
async def test_a_full_stream_is_503_and_what_it_holds_stays(client):
    assert (await client.post(sample_event())).status_code == 202
    full = (await client.bus.stream_info(subjects.CONTENT.name))["config"] | {"max_msgs": 1}
    await client.bus.connection.api_request(f"STREAM.UPDATE.{subjects.CONTENT.name}", full)
    assert is_unavailable(await client.post(sample_event(id="e-2", content_id="tin-2")))
    assert [one["id"] for one in await client.stored_events()] == ["e-1"]


async def test_after_a_restart_of_the_server_the_door_opens_again(server, client):
    assert (await client.post(sample_event())).status_code == 202
    os.kill(server.pid, signal.SIGKILL)
    answer = await client.post(sample_event(id="e-2", content_id="tin-2"))
    while answer.status_code == 503:
        answer = await client.post(sample_event(id="e-2", content_id="tin-2"))
    assert answer.status_code == 202
    assert (await client.post(sample_event())).status_code == 202
    assert [one["id"] for one in await client.stored_events()] == ["e-1", "e-2"]


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.003])
async def test_a_kill_in_the_middle_of_many_claims_loses_nothing_that_was_accepted(
    server, client, clock, monkeypatch, after_s
):
    """The server dies while it stores the claims of many requests; then all are repeated."""
    create, claims, killed = Bucket.create, [], []
    events = [sample_event(id=f"e-{n}", content_id=f"tin-{n}") for n in range(90)]

    async def killing(self, key, data, **options):
        claims.append(asyncio.ensure_future(create(self, key, data, **options)))
        own = claims[-1]
        await asyncio.sleep(after_s)
        if len(claims) >= len(events) // 2 and not killed:
            killed.append(server.pid)
            os.kill(server.pid, signal.SIGKILL)
        return await own

    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "create", killing)
        answers = await asyncio.gather(*map(client.post, events))
    assert killed
    accepted = {
        one["id"] for one, got in zip(events, answers, strict=True) if got.status_code == 202
    }
    assert {got.status_code for got in answers} <= {202, 503}
    assert accepted <= {one["id"] for one in await client.stored_events()}
    clock.advance(60)
    for event in events:
        while (await client.post(event)).status_code == 503:
            clock.advance(1)
    assert sorted(one["id"] for one in await client.stored_events()) == sorted(
        one["id"] for one in events
    )
