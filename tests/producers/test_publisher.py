"""The client of other systems: checks before it sends, knows repeats, and outlives an outage."""

import asyncio
import json
from contextlib import asynccontextmanager, nullcontext

import pytest

from contracts import keys, subjects
from contracts.envelope import from_structured
from contracts.errors import Forbidden, Invalid, Unavailable
from producers.bus import AccessRefused, Bus, topology
from producers.nats_server import NatsServer
from producers.publisher import Accepted, Publisher, Spooled
from producers.spool import Spool
from tests.support.frozen_process import frozen
from tests.support.gateway_client import OTHER, STRUCTURED, UNIT, sample_event, stored_events
from tests.support.spooled_events import (
    end_a_drain_before_an_event_is_kept,
    ids,
    keep_as_a_drain_ends,
    stored_ids,
)

NOWHERE = "nats://127.0.0.1:1"


@pytest.fixture
async def publisher(bus):
    async with Publisher(bus, UNIT) as publisher:
        yield publisher


def numbered(n):
    return sample_event(id=f"e-{n}", content_id=f"tin-{n}")


async def test_publish_does_not_wait_for_a_drain_under_way_which_sends_its_event_too(
    bus, tmp_path, monkeypatch
):
    await Publisher(None, UNIT, tmp_path).publish(numbered(1))
    publisher, answers = Publisher(bus, UNIT, tmp_path), []
    send = publisher._send

    async def publish_meanwhile(event):
        if not answers:
            answers.append(await publisher.publish(numbered(2)))
        return await send(event)

    monkeypatch.setattr(publisher, "_send", publish_meanwhile)
    async with asyncio.timeout(60):
        drained = await publisher.drain()
    assert isinstance(answers[0], Spooled)
    assert [one.content_id for one in drained.accepted] == ["tin-1", "tin-2"]
    assert drained.left == 0


async def test_a_drain_sends_what_is_kept_before_its_lock_is_back(bus, tmp_path, monkeypatch):
    await Publisher(None, UNIT, tmp_path).publish(numbered(1))
    keep_as_a_drain_ends(monkeypatch, 2)
    drained = await Publisher(bus, UNIT, tmp_path).drain()
    assert ([one.content_id for one in drained.accepted], drained.left) == (["tin-1", "tin-2"], 0)


async def test_an_event_kept_after_another_drain_has_ended_is_sent(bus, tmp_path, monkeypatch):
    await Publisher(None, UNIT, tmp_path).publish(numbered(1))
    end_a_drain_before_an_event_is_kept(monkeypatch, Spool(tmp_path))
    assert isinstance(await Publisher(bus, UNIT, tmp_path).publish(numbered(2)), Spooled)
    assert await stored_ids(bus) == ["e-1", "e-2"]


async def test_close_ends_a_drain_after_the_event_that_is_being_sent(
    bus, nats_server, tmp_path, monkeypatch
):
    for number in (1, 2):
        await Publisher(None, UNIT, tmp_path).publish(numbered(number))
    publisher, closing = Publisher(nats_server.url, UNIT, tmp_path, patience_s=60), []
    send = publisher._send

    async def close_meanwhile(event):
        if not closing:
            closing.append(asyncio.create_task(publisher.close()))
            await asyncio.sleep(0)  # it waits for the drain
        return await send(event)

    monkeypatch.setattr(publisher, "_send", close_meanwhile)
    drained = await publisher.drain()
    await closing[0]
    assert (len(drained.accepted), drained.left, publisher.bus) == (1, 1, None)
    assert await stored_ids(bus) == ["e-1"]


@pytest.mark.parametrize("is_given_up", [False, True])
async def test_close_ends_a_drain_although_an_event_is_kept_during_its_last_one(
    bus, nats_server, tmp_path, monkeypatch, is_given_up
):
    await Publisher(None, UNIT, tmp_path).publish(numbered(1))
    publisher, closing = Publisher(nats_server.url, UNIT, tmp_path, patience_s=60), []
    send = publisher._send

    async def keep_and_close_meanwhile(event):
        if not closing:
            assert isinstance(await publisher.publish(numbered(2)), Spooled)
            closing.append(asyncio.create_task(publisher.close()))
            await asyncio.sleep(0)  # it waits for the drain
            if is_given_up:
                closing[0].cancel()
                await asyncio.wait(closing)
        return await send(event)

    monkeypatch.setattr(publisher, "_send", keep_and_close_meanwhile)
    drained = await publisher.drain()
    await asyncio.wait(closing)
    assert (len(drained.accepted), drained.left) == (1, 1)
    assert is_given_up or publisher.bus is None
    assert await stored_ids(bus) == ["e-1"]
    await publisher.close()


def end_limits(monkeypatch, loop):
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + 3600)


async def test_an_event_that_was_kept_is_not_kept_again_as_the_limit_ends(tmp_path, monkeypatch):
    await Publisher(None, UNIT, tmp_path).publish(numbered(1))
    publisher, spool = Publisher(None, UNIT, tmp_path), Spool(tmp_path)
    drain = publisher._drain

    async def send_the_new_one_and_hang(denied):
        if len(spool.waiting()) == 1:
            return await drain(denied)
        spool.remove(spool.waiting()[1])
        end_limits(monkeypatch, asyncio.get_running_loop())
        return await asyncio.Event().wait()

    monkeypatch.setattr(publisher, "_drain", send_the_new_one_and_hang)
    with spool.draining():
        assert isinstance(await publisher.publish(numbered(2), time_limit_s=60), Spooled)
    assert ids(spool) == ["e-1"]


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_the_limit_does_not_end_the_keeping_of_an_event(tmp_path, monkeypatch, is_elsewhere):
    await Publisher(None, UNIT, tmp_path).publish(numbered(1))
    spool, loop, kept = Spool(tmp_path), asyncio.get_running_loop(), []

    def keep_late(own, event):
        kept.append(event.event.id)
        end_limits(monkeypatch, loop)
        for _ in range(3):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        return append(own, event)

    append = Spool.append
    monkeypatch.setattr(Spool, "append", keep_late)
    with spool.draining() if is_elsewhere else nullcontext():
        answer = await Publisher(None, UNIT, tmp_path).publish(numbered(2), time_limit_s=60)
    assert (kept, answer.path) == (["e-2"], spool.waiting()[1])


async def test_publish_beside_a_drain_leaves_the_refusal_that_the_drain_found(tmp_path):
    publisher = Publisher(None, UNIT, tmp_path)
    await publisher.publish(numbered(1))
    with Spool(tmp_path).draining() as is_drainer:
        publisher.refusal = refusal = AccessRefused("no right", "LOA_NATS_NKEY_FILE")
        assert isinstance(await publisher.publish(numbered(2)), Spooled)
    assert is_drainer and publisher.refusal is refusal


@pytest.mark.parametrize(
    ("kind", "revision"), [("submitted", 1), ("corrected", 2), ("withdrawn", None)]
)
async def test_an_event_is_on_the_subject_of_its_unit_and_kind(bus, publisher, kind, revision):
    event = sample_event(kind) | {"traceparent": "00-1-2-03"}
    accepted = await publisher.publish(event)
    assert (accepted.content_id, accepted.revision) == (event["data"]["content_id"], revision)
    [message] = [one async for one in bus.scan(subjects.CONTENT.name)]
    assert message.subject == f"content.{UNIT}.{kind}"
    assert message.headers["Nats-Msg-Id"] == accepted.event_id
    assert message.headers["Content-Type"] == STRUCTURED
    assert json.loads(message.data)["traceparent"] == "00-1-2-03"


@pytest.mark.parametrize(
    ("event", "error", "field"),
    [
        (sample_event(title=""), Invalid, "data.title"),
        (sample_event(tittle="x"), Invalid, "data.tittle"),
        (sample_event() | {"type": "vn.gov.moha.case.updated.v1"}, Invalid, "type"),
        (sample_event() | {"source": f"/units/{OTHER}"}, Forbidden, "source"),
        ({"id": "1"}, Invalid, "specversion"),
    ],
)
async def test_what_breaks_the_contract_is_not_sent(bus, publisher, tmp_path, event, error, field):
    with pytest.raises(Invalid):
        await Publisher(bus, "vu-khong-co").publish(sample_event())
    spooling = Publisher(None, UNIT, tmp_path / "spool")
    for one in (publisher, spooling):
        with pytest.raises(error) as refused:
            await one.publish(event)
        assert field in [wrong.field for wrong in refused.value.errors]
    assert await stored_events(bus) == []
    assert not (tmp_path / "spool").exists()


async def test_an_address_is_connected_to_when_needed_and_closed_afterwards(bus, nats_server):
    async with Publisher(nats_server.url, UNIT) as publisher:
        await publisher.publish(numbered(1))
        await publisher.publish(numbered(2))
        connection = await publisher._connected()
        assert connection.nc.is_connected
    assert connection.nc.is_closed
    assert [one["id"] for one in await stored_events(bus)] == ["e-1", "e-2"]


async def test_a_connection_that_was_handed_in_stays_open(bus):
    async with Publisher(bus, UNIT) as publisher:
        await publisher.publish(sample_event())
    assert bus.nc.is_connected


@pytest.mark.parametrize("address", [None, NOWHERE])
async def test_without_a_bus_and_without_a_spool_the_caller_is_told(address):
    async with Publisher(address, UNIT, patience_s=0.5) as publisher:
        with pytest.raises(Unavailable) as told:
            await publisher.publish(sample_event())
    assert told.value.retry_after_s > 0


@pytest.mark.parametrize("address", [None, NOWHERE])
async def test_without_a_bus_an_event_is_kept_and_sent_before_the_next_one(bus, tmp_path, address):
    async with Publisher(address, UNIT, tmp_path, patience_s=0.5) as publisher:
        kept = [await publisher.publish(numbered(n)) for n in range(3)]
    assert all(isinstance(one, Spooled) and one.path.exists() for one in kept)
    async with Publisher(bus, UNIT, tmp_path) as publisher:
        accepted = await publisher.publish(numbered(3))
    assert isinstance(accepted, Accepted)
    assert [one["id"] for one in await stored_events(bus)] == [f"e-{n}" for n in range(4)]
    assert Spool(tmp_path).waiting() == []


async def test_an_event_sent_before_its_file_was_removed_goes_once(bus, publisher, tmp_path):
    """As after a crash between the acknowledgement and the removal."""
    await Publisher(None, UNIT, tmp_path).publish(sample_event())
    await publisher.publish(sample_event())
    drained = await Publisher(bus, UNIT, tmp_path).drain()
    assert [one.duplicate for one in drained.accepted] == [True]
    assert len(await stored_events(bus)) == 1
    assert Spool(tmp_path).waiting() == []


async def test_a_kept_event_whose_id_was_used_meanwhile_is_set_aside(bus, publisher, tmp_path):
    await Publisher(None, UNIT, tmp_path).publish(sample_event(title="Khác"))
    await Publisher(None, UNIT, tmp_path).publish(numbered(2))
    await publisher.publish(sample_event())
    drained = await Publisher(bus, UNIT, tmp_path).drain()
    assert [path.parent.name for path in drained.refused] == ["refused"]
    assert [one["id"] for one in await stored_events(bus)] == ["e-1", "e-2"]


FOREIGN = [
    (subjects.content("vu-khac", "submitted"), b"{}"),
    (subjects.content(UNIT, "submitted"), b"not an event"),
    (subjects.content(UNIT, "submitted"), json.dumps(sample_event(id="another")).encode()),
]


@pytest.mark.parametrize(("subject", "body"), FOREIGN)
async def test_an_event_whose_message_id_a_foreign_message_has_is_stored_all_the_same(
    bus, publisher, subject, body
):
    """The bus takes it for a duplicate and drops it, and no log would tell."""
    event_id = keys.event_id(UNIT, sample_event()["source"], "e-1")
    await bus.publish(subject, body, msg_id=event_id)
    for duplicate in (False, True):
        answer = await publisher.publish(sample_event())
        assert (answer.event_id, answer.duplicate) == (event_id, duplicate)
    stored = [message.data async for message in bus.scan("CONTENT")]
    assert len(stored) == 2
    assert json.loads(stored[1])["id"] == "e-1"


async def test_an_event_whose_foreign_double_is_gone_again_is_stored(bus, publisher):
    event_id = keys.event_id(UNIT, sample_event()["source"], "e-1")
    ack = await bus.publish(*FOREIGN[0], msg_id=event_id)
    await bus.erase_message("CONTENT", ack.seq)
    assert not (await publisher.publish(sample_event())).duplicate
    assert [one["id"] for one in await stored_events(bus)] == ["e-1"]


async def test_an_event_is_stored_even_if_each_of_its_ids_was_foreseen(bus, publisher):
    event_id = keys.event_id(UNIT, sample_event()["source"], "e-1")
    event = from_structured(sample_event())
    hashed = f"{event_id}.{keys.content_hash(event.type, event.data)}"
    for taken in (event_id, hashed):
        await bus.publish(*FOREIGN[0], msg_id=taken)
    assert not (await publisher.publish(sample_event())).duplicate
    last = [message async for message in bus.scan("CONTENT")][-1]
    assert json.loads(last.data)["id"] == "e-1"


async def test_events_published_at_once_are_all_stored_once(bus, publisher):
    answers = await asyncio.gather(*(publisher.publish(numbered(n % 20)) for n in range(100)))
    assert sum(not one.duplicate for one in answers) == 20
    assert len(await stored_events(bus)) == 20


@asynccontextmanager
async def own_server(folder):
    async with NatsServer(folder, check_s=600) as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        yield server, bus


@pytest.mark.promise("1.6")
async def test_an_outage_in_the_middle_keeps_every_event_and_the_order(tmp_path):
    async with (
        own_server(tmp_path / "nats") as (server, bus),
        Publisher(server.url, UNIT, tmp_path / "spool", patience_s=0.5) as publisher,
    ):
        answers = [await publisher.publish(numbered(n)) for n in range(3)]
        with frozen(server.pid):
            answers += [await publisher.publish(numbered(n)) for n in range(3, 6)]
        while (await publisher.drain()).left:
            pass
        answers.append(await publisher.publish(numbered(6)))
        assert list(map(type, answers)) == [Accepted] * 3 + [Spooled] * 3 + [Accepted]
        assert [one["id"] for one in await stored_events(bus)] == [f"e-{n}" for n in range(7)]


async def test_a_full_stream_is_an_outage_too(bus, tmp_path):
    full = (await bus.stream_info(subjects.CONTENT.name))["config"] | {"max_msgs": 1}
    await bus.connection.api_request(f"STREAM.UPDATE.{subjects.CONTENT.name}", full)
    async with Publisher(bus, UNIT, tmp_path) as publisher:
        assert isinstance(await publisher.publish(numbered(1)), Accepted)
        assert isinstance(await publisher.publish(numbered(2)), Spooled)
        await bus.connection.api_request(
            f"STREAM.UPDATE.{subjects.CONTENT.name}", full | {"max_msgs": -1}
        )
        assert isinstance(await publisher.publish(numbered(3)), Accepted)
    assert [one["id"] for one in await stored_events(bus)] == ["e-1", "e-2", "e-3"]
