"""A client whose server is cut off from the others goes to one of those, and writes on."""

import asyncio
from contextlib import suppress

import pytest

from contracts import subjects
from producers.bus import Bus, NoReply, RevisionConflict, topology
from tests.deep.cluster.routes import Routes
from tests.support.nats_cluster import PATIENCE_S, NatsCluster, until_usable
from tests.support.ports import free_port

pytestmark = pytest.mark.timeout(900)
BUCKET, STREAM = subjects.EVENTS.name, f"KV_{subjects.EVENTS.name}"
SERVERS = ("n1", "n2", "n3")


@pytest.fixture
async def routes():
    routes = Routes()
    yield routes
    routes.close()


@pytest.fixture
async def cluster(tmp_path, routes):
    """Three servers whose lines to each other a test can cut."""
    cluster = NatsCluster(tmp_path)
    for name in SERVERS:
        cluster.add(name).proxy = free_port()
    await routes.listen(cluster.servers.values())
    try:
        for name in SERVERS:
            cluster.start(name)
        await until_usable(cluster, len(SERVERS))
        yield cluster
    finally:
        cluster.end()


async def create(bus: Bus, key: str) -> None:
    """Store a new value, however often that takes; one that was stored without an answer counts.

    A leader that is cut off refuses it the second time, although the first has stored nothing.
    """
    bucket, stored = bus.bucket(BUCKET), None
    async with asyncio.timeout(PATIENCE_S):
        while not stored:
            with suppress(NoReply, RevisionConflict):
                await bucket.create(key, b"x")
            with suppress(NoReply):
                stored = await bucket.get(key)


def place(bus: Bus) -> str:
    """The server that *bus* is connected to; empty while it is to none."""
    link = bus.connection
    return str(link.server_info["server_name"]) if link.nc.is_connected else ""


async def test_a_client_of_a_leader_that_is_cut_off_writes_elsewhere(cluster, routes):
    """Each value that was stored meanwhile is there, once, when the leader is back.

    A client that asks for nothing leaves, too, where the server itself knows that it is alone.
    """
    async with await Bus.connect(cluster.url, name="test", replicas=3) as bus:
        await topology.apply(bus)
        await cluster.until_all_current(bus)
        for silent in (True, False):
            leader = await cluster.leader_of(bus, STREAM)
            url = cluster.servers[leader].url
            async with await Bus.connect(url) as writer, await Bus.connect(url) as idle:
                for other in cluster.servers.keys() - {leader}:
                    routes.cut(frozenset((leader, other)), silent=silent)
                await create(writer, f"silent-{silent}")
                assert place(writer) in {*SERVERS} - {leader}
                async with asyncio.timeout(PATIENCE_S):
                    while not silent and place(idle) not in {*SERVERS} - {leader}:
                        await asyncio.sleep(0.05)
                routes.heal()
            await cluster.until_all_current(bus)
        counts = await bus.count_by_subject(STREAM)
        assert counts == {f"$KV.{BUCKET}.silent-{silent}": 1 for silent in (True, False)}
