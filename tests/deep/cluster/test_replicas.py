"""Streams, buckets and consumers on a cluster: as many replicas as wanted, and reads of all."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from contracts import subjects
from producers.bus import Bus, TooFewServers, topology
from tests.support.nats_cluster import PATIENCE_S

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
