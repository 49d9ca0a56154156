"""Events that units publish on the bus move to CONTENT: all of them, once, in order."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from consumers.app.broker import BrokerWatch
from consumers.intake import inbound
from consumers.intake.inbound import REVOKED_HEADER, InboundMover
from contracts import subjects
from contracts.events import CASE_UPDATED
from contracts.vocabulary import DEFAULT
from producers.bus import topology
from producers.units.registry import UnitRegistry

UNIT, OTHER = "van-phong-bo", "vu-phap-che"
EVENT = {"Content-Type": "application/cloudevents+json"}
TRACE = {"traceparent": f"00-{1:032x}-{2:016x}-01", "tracestate": "rojo=00f067aa0ba902b7"}


@asynccontextmanager
async def moving(bus, durables=None):
    task = asyncio.create_task(InboundMover(bus, durables).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def arrived(bus, number):
    async with asyncio.timeout(20):
        while (await bus.stream_info("CONTENT"))["state"]["messages"] < number:
            await asyncio.sleep(0.01)
    return [await bus.get_message("CONTENT", seq) for seq in range(1, number + 1)]


async def waiting(bus, unit):
    return (await bus.stream_info(subjects.inbound_stream(unit).name))["state"]["messages"]


async def send(bus, unit, body, kind="submitted", **options):
    return await bus.publish(subjects.inbound(unit, kind), body, **options)


async def send_raw(bus, unit, head, body):
    """A message with a block of headers that no client would write; what the server answers."""
    inbox = bus.nc.new_inbox()
    answers = await bus.nc.subscribe(inbox)
    sizes = f"{len(head)} {len(head) + len(body)}"
    command = f"HPUB {subjects.inbound(unit, 'submitted')} {inbox} {sizes}\r\n"
    await bus.nc._send_command(command.encode() + head + body + b"\r\n")
    await bus.nc.flush()
    answer = await answers.next_msg(5)
    await answers.unsubscribe()
    assert b"error" not in answer.data


async def test_two_units_with_one_message_id_are_both_kept_and_in_order(bus):
    await topology.apply(bus, [UNIT, OTHER])
    for number in range(20):
        for unit in (UNIT, OTHER):
            body = b"%s %d" % (unit.encode(), number)
            assert not (await send(bus, unit, body, msg_id=f"id-{number}")).duplicate
            assert (await send(bus, unit, body, msg_id=f"id-{number}")).duplicate
    async with moving(bus):
        messages = await arrived(bus, 40)
    for unit in (UNIT, OTHER):
        own = [one.data for one in messages if one.subject == f"content.{unit}.submitted"]
        assert own == [b"%s %d" % (unit.encode(), number) for number in range(20)]
        assert await waiting(bus, unit) == 0


async def test_a_unit_that_is_added_while_loa_runs_is_followed(bus, monkeypatch):
    monkeypatch.setattr(inbound, "_LOOK_S", 0.05)
    async with moving(bus):
        await topology.apply(bus, [UNIT])
        await send(bus, UNIT, b"one", headers=EVENT | TRACE | {"Other": "1"})
        [message] = await arrived(bus, 1)
    kept = {name: one for name, one in message.headers.items() if name != "Nats-Msg-Id"}
    assert (message.data, kept) == (b"one", EVENT | TRACE)


async def test_a_consumer_that_was_deleted_is_made_again_and_the_rest_moves(bus, monkeypatch):
    monkeypatch.setattr(inbound, "_LOOK_S", 0.05)
    monkeypatch.setattr(inbound, "_RETRY_S", 0.05)
    await topology.apply(bus, [UNIT])
    watch, stream = BrokerWatch(), "IN_" + UNIT
    async with moving(bus, watch.durables):
        await send(bus, UNIT, b"one")
        await arrived(bus, 1)
        await bus.connection.api_request(f"CONSUMER.DELETE.{stream}.{subjects.INTAKE}")
        await send(bus, UNIT, b"two")
        await watch.check_durables(bus)
        assert watch.missing == [(stream, subjects.INTAKE)]
        assert [one.data for one in await arrived(bus, 2)] == [b"one", b"two"]
        await topology.delete_stream(bus, stream)
        async with asyncio.timeout(10):
            while watch.durables:
                await asyncio.sleep(0.01)


async def test_a_message_that_was_moved_and_not_removed_is_on_content_once(bus):
    await topology.apply(bus, [UNIT])
    await send(bus, UNIT, b"one")
    mover = InboundMover(bus)
    async with bus.pull("IN_" + UNIT, subjects.INTAKE) as pull:
        message = await pull.next()
        for _ in range(2):  # a process that ended between the two steps begins again
            await mover._store(f"content.{UNIT}.submitted", message, _id_of(mover, message), {})
        await mover.move("IN_" + UNIT, message)
    assert [one.data for one in await arrived(bus, 1)] == [b"one"]
    assert await waiting(bus, UNIT) == 0


async def test_what_comes_after_the_last_key_was_revoked_is_refused_and_nothing_before_it(bus):
    """A server of the operator's lets a revoked key in until it reads its configuration again."""
    await topology.apply(bus, [UNIT, OTHER])
    registry = UnitRegistry(bus, DEFAULT, time.time)
    for unit in (UNIT, OTHER):
        await registry.add(unit, release="desk")
        await registry.add_bus_key(unit)
    await send(bus, UNIT, b"before", headers=EVENT)
    await registry.revoke(UNIT)
    await registry.update(UNIT, urgent=True)
    for unit in (UNIT, OTHER):
        await send(bus, unit, b"after", headers=EVENT)
    async with moving(bus):
        moved = await arrived(bus, 3)
    marks = {(one.subject.split(".")[1], one.data): REVOKED_HEADER in one.headers for one in moved}
    assert marks == {(UNIT, b"before"): False, (UNIT, b"after"): True, (OTHER, b"after"): False}
    await registry.add_bus_key(UNIT)
    await send(bus, UNIT, b"again", headers=EVENT | {REVOKED_HEADER: "1"})
    async with moving(bus):
        assert REVOKED_HEADER not in (await arrived(bus, 4))[3].headers


@pytest.mark.parametrize(
    "head",
    [
        b"NATS/1.0",
        b"NATS/1.0 404\r\n\r\n",
        b"NATS/1.0 \xff\xfe\r\n\r\n",
        b"NATS/1.0\r\nStatus: 404\r\n\r\n",
        b"NATS/1.0\r\nStatus: 100\r\nDescription: Idle Heartbeat\r\n\r\n",
        b"NATS/1.0\r\n\xff\xfe: x\r\nce-id: \xff\r\n\r\n",
        b"NATS/1.0\r\nce-\x00id: x\r\nce-id: a\nNats-Rollup: all\r\n\r\n",
        b"NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Marker-Reason: Purge\r\n\r\n",
        b"NATS/1.0\r\nNats-Subject: content.vu-phap-che.submitted\r\nNats-Sequence: 1\r\n\r\n",
    ],
)
async def test_hostile_headers_neither_stop_the_mover_nor_come_along(bus, head):
    await topology.apply(bus, [UNIT])
    await send_raw(bus, UNIT, head, b"first")
    await send(bus, UNIT, b"second", headers=EVENT)
    async with moving(bus):
        first, second = await arrived(bus, 2)
    assert (first.data, second.data) == (b"first", b"second")
    assert {name for name in first.headers if not name.startswith("ce-")} == {"Nats-Msg-Id"}
    assert first.subject == second.subject == f"content.{UNIT}.submitted"


@pytest.mark.parametrize("kind", ["updated", "un-known", "x" * 200, "Submitted", "content"])
async def test_another_kind_becomes_a_message_that_intake_refuses(bus, kind):
    await topology.apply(bus, [UNIT])
    await send(bus, UNIT, b"one", kind)
    async with moving(bus):
        [message] = await arrived(bus, 1)
    assert message.subject.startswith(f"content.{UNIT}.")


async def test_the_contact_of_a_case_event_is_erased_from_the_disk(bus, nats_server):
    """Another message waits behind it: the server removes the file of an empty stream."""
    await topology.apply(bus, [UNIT])
    contact = b"0912345678-of-a-person"
    await send(bus, UNIT, CASE_UPDATED.encode() + contact)
    await send(bus, UNIT, b"an item")
    [block] = nats_server._store.glob(f"jetstream/LOA/streams/IN_{UNIT}/msgs/1.blk")
    assert contact in block.read_bytes()
    async with bus.pull(f"IN_{UNIT}", subjects.INTAKE) as pull:
        await InboundMover(bus).move(f"IN_{UNIT}", await pull.next())
    assert await waiting(bus, UNIT) == 1
    assert contact not in block.read_bytes() and b"an item" in block.read_bytes()


async def test_a_subject_that_is_no_text_ends_no_connection(bus):
    await topology.apply(bus, [UNIT])
    inbox = bus.nc.new_inbox()
    answers = await bus.nc.subscribe(inbox)
    subject = subjects.inbound(UNIT, "x").encode() + b"\xff"
    await bus.nc._send_command(b"PUB %s %s 5\r\nfirst\r\n" % (subject, inbox.encode()))
    await bus.nc.flush()
    assert b"error" not in (await answers.next_msg(5)).data
    await answers.unsubscribe()
    await send(bus, UNIT, b"second", headers=EVENT)
    losses = bus.connection.disconnects
    async with moving(bus):
        first, second = await arrived(bus, 2)
    assert (first.subject, first.data) == (f"content.{UNIT}.unknown", b"first")
    assert (second.subject, second.data) == (f"content.{UNIT}.submitted", b"second")
    assert bus.connection.disconnects == losses


def _id_of(mover, message):
    where = message.metadata
    return f"IN_{UNIT}.{where.sequence.stream}.{where.timestamp.isoformat()}"
