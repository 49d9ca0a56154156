"""Writes that may be tried once, while no server leads their stream: they wait for a leader."""

import asyncio
from contextlib import suppress

from contracts import subjects
from producers.bus import BatchEntry, Bucket, NoReply, RevisionConflict, retry
from producers.bus.errors import NoLeader
from tests.support.nats_cluster import PATIENCE_S

STREAM = f"KV_{subjects.LEDGER.name}"


ANSWER_S = 60.0


async def until_nobody_leads(cluster, bus) -> str:
    """Kill the leader, and wait until a write is refused for want of one."""
    leader = await cluster.leader_of(bus, STREAM)
    cluster.servers[leader].kill()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await bus.connection.request(f"$KV.{subjects.LEDGER.name}.probe", timeout_s=0.2)
            except NoLeader:
                return leader
            except NoReply:
                continue


async def test_writes_of_one_attempt_wait_for_a_leader(cluster, cluster_bus, monkeypatch):
    monkeypatch.setattr(retry, "LEADER_PATIENCE_S", PATIENCE_S)
    bucket = cluster_bus.bucket(subjects.LEDGER.name)
    revision = await bucket.create("swapped", b"before")
    leader = await until_nobody_leads(cluster, cluster_bus)
    async with asyncio.TaskGroup() as group:
        group.create_task(bucket.swap("swapped", b"after", revision, timeout_s=ANSWER_S))
        group.create_task(bucket.create("created", b"new", timeout_s=ANSWER_S))
        entries = [BatchEntry(f"batch.{n}", b"x", 0) for n in range(3)]
        group.create_task(bucket.batch(entries, timeout_s=ANSWER_S))
    written = ["swapped", "created", "batch.0", "batch.1", "batch.2"]
    assert {key: one.data for key, one in (await bucket.get_many(written)).items()} == dict(
        zip(written, [b"after", b"new", b"x", b"x", b"x"], strict=True)
    )
    cluster.start(leader)
    await cluster.until_all_current(cluster_bus)


async def write(bucket: Bucket, key: str) -> str:
    """Write, however long it takes until there is a leader; a repeat finds its own value."""
    while True:
        with suppress(NoReply, RevisionConflict):
            await bucket.create(key, b"x", timeout_s=5.0)
        if await bucket.get(key):
            return key


async def test_a_watch_goes_on_where_it_was_when_its_consumers_server_dies(cluster, cluster_bus):
    bucket = cluster_bus.bucket(subjects.SUBSCRIBERS.name)
    seen: list[str] = []

    async def follow():
        async for change in bucket.watch(1):
            seen.append(change.key)

    following = asyncio.create_task(follow())
    written = []
    for name in cluster.servers:
        written.append(await write(bucket, f"s.{name}"))
        cluster.servers[name].kill()
        written.append(await write(bucket, f"s.{name}.later"))
        cluster.start(name)
        await cluster.until_all_current(cluster_bus)
    async with asyncio.timeout(PATIENCE_S):
        while seen != written:
            await asyncio.sleep(0.05)
    following.cancel()
