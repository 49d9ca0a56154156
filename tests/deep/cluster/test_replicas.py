"""Streams, buckets and consumers on a cluster: as many replicas as wanted, and reads of all."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from contracts import subjects
from producers.bus import Bus, TooFewServers, topology
from tests.support.nats_cluster import PATIENCE_S, TAG, started_cluster, stream_cluster

REPEATS = 300
"""A replica is behind in one of twenty reads that follow a write at once."""


async def replicas(bus):
    infos = await topology.stream_infos(bus)
    return {info["config"]["num_replicas"] for info in infos.values()}


async def consumer_replicas(bus):
    pairs = [(stream.name, one) for stream in subjects.STREAMS for one in stream.consumers]
    infos = [await bus.consumer_info(stream, one.durable) for stream, one in pairs]
    groups = [info.get("cluster") or {} for info in infos]  # none while the servers choose a leader
    return {1 + len(group.get("replicas", ())) for group in groups}


async def reached(ask, wanted):
    async with asyncio.timeout(PATIENCE_S):
        while await ask() != wanted:
            await asyncio.sleep(0.1)


async def test_streams_and_consumers_grow_and_shrink_only_when_asked(cluster):
    async with await Bus.connect(cluster.url, name="test") as bus:
        await topology.apply(bus)
        await bus.publish("dead.intake", b"kept")
        assert await replicas(bus) == {1}
        with pytest.raises(TooFewServers) as refused:
            bus.replicas = 5
            await topology.apply(bus)
        assert refused.value.replicas == 5
        bus.replicas = 3
        await topology.apply(bus)
        await cluster.until_all_current(bus)
        await reached(partial(consumer_replicas, bus), {3})
        bus.replicas = 1
        await topology.apply(bus)
        assert await replicas(bus) == {3}, "an environment without the setting takes nothing away"
        assert await topology.reduce_replicas(bus) == len(topology.stream_names())
        assert await replicas(bus) == {1}
        assert (await bus.stream_info("DEAD"))["state"]["messages"] == 1


@pytest.fixture
def four_servers(tmp_path):
    """A cluster of four, of which all but the second have TAG."""
    with started_cluster(tmp_path, size=4, tagged=(1, 3, 4)) as running:
        yield running


async def test_streams_move_to_the_servers_with_the_wanted_tags(four_servers):
    async with await Bus.connect(four_servers.url, name="test") as bus:
        await topology.apply(bus)
        await bus.publish("dead.intake", b"kept")
        bus.replicas, bus.placement_tags = 3, (TAG,)
        await topology.apply(bus)
        await reached(partial(keepers, bus), {frozenset({"n1", "n3", "n4"})})
        await four_servers.until_all_current(bus)
        assert (await bus.stream_info("DEAD"))["state"]["messages"] == 1
        bus.placement_tags = ("disk:none",)
        with pytest.raises(TooFewServers, match="disk:none"):
            await topology.apply(bus)
        bus.placement_tags = ()  # an environment without the setting moves nothing
        await topology.apply(bus)
        infos = (await topology.stream_infos(bus)).values()
        assert all(one["config"]["placement"]["tags"] == [TAG] for one in infos)


async def keepers(bus):
    """The servers that keep a stream, for each of all streams."""
    groups = [await stream_cluster(bus, name) for name in topology.stream_names()]
    return {
        frozenset({group.get("leader"), *(one["name"] for one in group.get("replicas", ()))})
        for group in groups
    }


async def test_a_read_sees_every_acknowledged_write_although_a_replica_is_behind(cluster_bus):
    bucket = cluster_bus.bucket(subjects.CONTROL.name)
    for number in range(REPEATS):
        data = str(number).encode()
        await bucket.put("known", data)
        assert (await bucket.get_many(["known"]))["known"].data == data
        await bucket.create(f"new.{number}", data)
        assert (await bucket.get_many([f"new.{number}"])) != {}


async def test_a_scan_ends_with_the_last_acknowledged_message(cluster_bus):
    stream, moment = subjects.DEAD.name, None
    for number in range(REPEATS):
        body, start = str(number).encode(), number + 1
        seq = (await cluster_bus.publish("dead.intake", body)).seq
        found = [message.seq async for message in cluster_bus.scan(stream, start=start)]
        assert found[-1] == seq
        latest = [message.seq async for message in cluster_bus.scan_backwards(stream, seq)]
        assert latest[0] == seq
        moment = (await cluster_bus.get_message(stream, seq)).time
        assert await cluster_bus.first_seq_since(stream, moment) == seq
        assert await cluster_bus.first_seq_since(stream, moment + timedelta(days=1)) is None
