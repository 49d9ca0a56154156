"""`loa doctor` on a cluster: well, a server that is away, replicas that are too few."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from consumers.doctor.cluster import find_in_servers, find_in_streams
from consumers.doctor.services import examine_bus
from producers.bus import topology
from producers.bus.server_check import ServerReport, absent_servers, poll_servers
from tests.support.nats_cluster import PATIENCE_S


async def examined(bus, replicas=3):
    @asynccontextmanager
    async def connect():
        yield bus

    return [one async for one in examine_bus(connect, is_own=False, replicas=replicas)]


async def until_found(bus, code):
    """The finding *code*, as soon as the cluster knows it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for finding in await examined(bus):
                if finding.code == code:
                    return finding
            await asyncio.sleep(0.2)


async def test_a_whole_cluster_is_well_and_a_lost_server_is_named_until_it_is_back(
    cluster, cluster_bus
):
    well = await until_found(cluster_bus, "bus_replicas_ok")
    assert f"{len(topology.stream_names())} streams on 3 servers" in well.message
    assert {one.name for one in await poll_servers(cluster_bus)} == {"n1", "n2", "n3"}
    cluster.servers["n2"].kill()
    away = await until_found(cluster_bus, "bus_server_away")
    assert "n2" in away.message and "n2" in away.message_vi
    async with asyncio.timeout(PATIENCE_S):
        while await absent_servers(cluster_bus) != ["n2"]:
            await asyncio.sleep(0.2)
    cluster.replace_by_empty("n2")
    await cluster.until_all_current(cluster_bus)
    await until_found(cluster_bus, "bus_replicas_ok")
    assert await absent_servers(cluster_bus) == []


async def test_too_few_replicas_are_named(cluster_bus):
    found = await examined(cluster_bus, replicas=5)
    [few] = [one for one in found if one.code == "bus_replicas_few"]
    assert "fewer than 5 replicas: CONTENT" in few.message


def a_stream(**cluster):
    return {"config": {"num_replicas": 3}, "cluster": {"leader": "n1", **cluster}}


def test_streams_without_a_leader_and_replicas_behind_are_named():
    behind = [{"name": "n2", "current": False, "lag": 1234}, {"name": "n3", "current": True}]
    infos = {name: a_stream(replicas=behind) for name in topology.stream_names()[1:]}
    found = {one.code: one.message for one in find_in_streams(infos, {"n1", "n2", "n3"}, 3)}
    assert found.keys() == {"bus_unled", "bus_server_behind"}
    assert topology.stream_names()[0] in found["bus_unled"]
    assert "n2" in found["bus_server_behind"] and "1234" in found["bus_server_behind"]


def test_clocks_that_differ_and_full_disks_are_named():
    now = datetime(2027, 1, 15, tzinfo=UTC)
    late = ServerReport("A", "2.15.1", True, "n1", now, 90 << 20, 100 << 20)
    early = ServerReport("B", "2.15.1", True, "n2", now + timedelta(seconds=4), 1 << 20, 100 << 20)
    found = {one.code: one.message for one in find_in_servers([late, early])}
    assert "n2 is 4.0 s ahead of that of n1" in found["bus_clocks_differ"]
    assert "n1 uses 90 of 100 MB" in found["bus_server_low"]
