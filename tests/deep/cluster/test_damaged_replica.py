"""A bit flipped or a block file cut on one of three servers: the check names it until replaced.

nats-server verifies a message as it reads it, and asks no other replica for one it can't read.
"""

import asyncio
from contextlib import suppress

import pytest

from consumers.check.replicas.damaged import find_damaged_replicas
from contracts import subjects
from producers.bus import BatchEntry, Bus, BusError, topology
from tests.support.nats_cluster import PATIENCE_S

pytestmark = pytest.mark.timeout(900)
COUNT, BODY_BYTES = 300, 2000
CONTENT, LEDGER = subjects.CONTENT.name, f"KV_{subjects.LEDGER.name}"
RECHECK_AFTER_S = 0.5
READS = 10


@pytest.fixture
async def filled(cluster):
    """A connection to the cluster, whose streams hold a few hundred messages each."""
    async with await Bus.connect(cluster.url, name="test", replicas=3) as bus:
        await until_applied(bus)
        if not (await bus.stream_info(CONTENT))["state"]["messages"]:
            await fill(bus)
        await cluster.until_all_current(bus)
        yield bus


async def until_applied(bus):
    """Thirty streams on three servers take longer than a request may on a busy machine."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(BusError):
                return await topology.apply(bus)


async def fill(bus):
    ledger = bus.bucket(subjects.LEDGER.name)
    for first in range(0, COUNT, 50):
        numbers = range(first, first + 50)
        await ledger.batch([BatchEntry(f"b.{n}", body(n), 0) for n in numbers], timeout_s=60.0)
        for subject in ("content.moha.created", "publication.moha.email"):
            many = (bus.publish(subject, body(n), patience_s=60.0) for n in numbers)
            await asyncio.gather(*many)


def body(number):
    return f"{number:06d}".encode() * (BODY_BYTES // 6)


def block_of(server, stream):
    """The only file with messages of *stream*."""
    [block] = (server.store / "jetstream" / "LOA" / "streams" / stream / "msgs").glob("*.blk")
    return block


def flip(block):
    data = bytearray(block.read_bytes())
    data[len(data) // 2] ^= 1
    block.write_bytes(data)


def cut(block):
    data = block.read_bytes()
    block.write_bytes(data[: len(data) * 2 // 3])


async def chosen(cluster, bus, stream, role):
    """The server that leads *stream*, or another one."""
    leader = await cluster.leader_of(bus, stream)
    return leader if role == "leader" else min(cluster.servers.keys() - {leader})


async def named(bus):
    """The keys of all damaged replicas."""
    return [one.key async for one in find_damaged_replicas(bus, RECHECK_AFTER_S)]


async def until_named(bus, expected):
    """Servers that have just started may be away or behind for a while."""
    async with asyncio.timeout(PATIENCE_S):
        while await named(bus) != expected:
            await asyncio.sleep(RECHECK_AFTER_S)


async def stored(bus, stream):
    """Each message of *stream*, by pages from any of the replicas."""
    return {message.seq: message.data async for message in bus.scan(stream)}


async def replaced(cluster, bus, server):
    """As docs/cluster.md says: an empty server under the same name."""
    cluster.servers[server].end()
    cluster.replace_by_empty(server)
    await cluster.until_all_current(bus)


@pytest.mark.promise("1.8")
@pytest.mark.parametrize("stream", [LEDGER, CONTENT])
@pytest.mark.parametrize("role", ["leader", "follower"])
@pytest.mark.parametrize("spoil", [flip, cut])
async def test_the_check_names_a_damaged_replica_until_it_is_replaced(
    cluster, filled, stream, role, spoil
):
    await until_named(filled, [])
    before = await stored(filled, stream)
    server = await chosen(cluster, filled, stream, role)
    cluster.servers[server].end()
    spoil(block_of(cluster.servers[server], stream))
    cluster.start(server)
    await cluster.until_all_current(filled)
    await until_named(filled, [f"{stream} {server}"])
    for _ in range(READS):
        found = await stored(filled, stream)
        assert found.items() <= before.items(), "absent, perhaps, but never other bytes"
    await replaced(cluster, filled, server)
    await until_named(filled, [])
    assert await stored(filled, stream) == before
