"""A power cut takes everything that was not fsynced; what the bus acknowledged is not among it."""

import asyncio
import os
import random
import shutil
from collections import Counter
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from contracts import subjects
from producers import nats_child
from producers.bus import Bus, BusError, Entry, Silence, topology
from producers.nats_child import Child
from producers.server import NatsServer
from tests import needs
from tests.tracing import disk, moments, traced, Disk

LEDGER = subjects.LEDGER.name
ACKED = 1500
ALWAYS = "  sync_interval: always\n"


@pytest.fixture(autouse=True)
def _needs():
    needs.strace()


@pytest.fixture
def lazy(monkeypatch):
    """The product's own settings but for the one line that this is about."""
    assert nats_child.SETTINGS.count(ALWAYS) == 1
    monkeypatch.setattr(nats_child, "SETTINGS", nats_child.SETTINGS.replace(ALWAYS, ""))


@asynccontextmanager
async def watched(tmp_path, *, shown=0):
    """The embedded server as the product starts it, under strace and without its guard."""
    store = tmp_path / "nats"
    store.mkdir()
    lock = os.open(os.devnull, os.O_RDONLY)
    child = await Child.start(traced(tmp_path / "strace", shown=shown), store, 0, lock)
    try:
        async with await Bus.connect(child.url) as bus:
            await topology.apply(bus)
            yield child, bus
    finally:
        await child.kill()
        os.close(lock)


async def traced_to_the_end(tmp_path):
    """strace has written its last line when nobody holds the trace any more."""
    trace = tmp_path / "strace" / "trace"
    async with asyncio.timeout(10):
        while "killed by SIGKILL" not in trace.read_text(errors="replace")[-2000:]:
            await asyncio.sleep(0.01)
    return trace


async def power_cut(tmp_path, child, share=lambda: 0.0):
    """How many bytes are gone."""
    await child.kill()
    trace = await traced_to_the_end(tmp_path)
    return disk(trace).cut(tmp_path / "nats" / "jetstream", share)


async def publish_many(bus, count, at_once=100):
    for first in range(0, count, at_once):
        ids = [f"m{number}" for number in range(first, first + at_once)]
        await asyncio.gather(*(bus.publish("dead.a", bytes(1024), msg_id=one) for one in ids))


async def found(tmp_path, stream):
    """How often each Msg-Id is in *stream* when the server has come up again."""
    async with NatsServer(tmp_path / "nats") as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        return Counter([one.headers["Nats-Msg-Id"] async for one in bus.scan(stream)])


async def test_after_a_power_cut_every_acknowledged_message_is_there_once(tmp_path):
    async with watched(tmp_path) as (child, bus):
        await publish_many(bus, ACKED)
        await power_cut(tmp_path, child)
    assert await found(tmp_path, "DEAD") == {f"m{number}": 1 for number in range(ACKED)}


async def test_the_cut_takes_what_a_server_with_default_settings_acknowledged(tmp_path, lazy):
    """Were nothing lost here, the test above would prove nothing."""
    async with watched(tmp_path) as (child, bus):
        await publish_many(bus, ACKED)
        assert await power_cut(tmp_path, child) > ACKED * 1024 / 2
    left = await found(tmp_path, "DEAD")
    print(f"default settings: {ACKED - len(left)} of {ACKED} acknowledged messages lost")
    assert len(left) < ACKED / 2


class Load:
    """Messages, swaps of one key and atomic batches, all at once, until the server is gone."""

    def __init__(self, bus):
        self.bus, self.ledger = bus, bus.bucket(LEDGER)
        self.messages: set[str] = set()
        self.swapped = 0
        self.batches: dict[str, bool] = {}

    async def run(self):
        works = [self.publish(name) for name in "abcdefgh"]
        works += [self.batch(name) for name in "rst"] + [self.swap()]
        await asyncio.gather(*works)

    async def publish(self, name):
        with suppress(Silence):
            for number in range(10_000):
                msg_id = f"{name}{number}"
                await self.bus.publish("dead.a", bytes(500), msg_id=msg_id, patience_s=0)
                self.messages.add(msg_id)

    async def batch(self, name):
        with suppress(Silence):
            for number in range(10_000):
                self.batches[f"{name}{number}"] = False
                await self.ledger.batch(members(f"{name}{number}"))
                self.batches[f"{name}{number}"] = True

    async def swap(self):
        with suppress(Silence):
            revision = 0
            for number in range(10_000):
                revision = await self.ledger.swap("one", b"%d" % number, revision)
                self.swapped = number

    async def enough(self):
        async with asyncio.timeout(30):
            while not (len(self.messages) > 2000 and self.swapped > 200 and len(self.batches) > 60):
                await asyncio.sleep(0.005)

    async def check(self, bus):
        """What was acknowledged is there once; of the rest a batch is there whole or not at all."""
        stored = Counter([one.headers["Nats-Msg-Id"] async for one in bus.scan("DEAD")])
        assert set(stored) >= self.messages
        assert set(stored.values()) == {1}
        ledger = bus.bucket(LEDGER)
        assert int((await ledger.get("one")).data) >= self.swapped
        keys = Counter([key.partition(".")[0] async for key, _ in ledger.values()])
        for name, acknowledged in self.batches.items():
            assert keys[name] in ({len(members(name))} if acknowledged else {0, len(members(name))})


def members(name):
    return [Entry(f"{name}.{number}", bytes(200), 0) for number in range(40)]


async def test_a_cut_in_the_middle_of_everything_takes_only_what_nobody_was_promised(tmp_path):
    store, kept = tmp_path / "nats", tmp_path / "kept"
    async with watched(tmp_path) as (child, bus):
        load = Load(bus)
        running = asyncio.create_task(load.run())
        await load.enough()
        await child.kill()
        await running
        trace = await traced_to_the_end(tmp_path)
    shutil.copytree(store, kept)
    for seed in range(6):
        shutil.rmtree(store)
        shutil.copytree(kept, store)
        chance = random.Random(seed)
        print("seed", seed, "bytes lost:", disk(trace).cut(store / "jetstream", chance.random if seed else lambda: 0))
        async with NatsServer(store) as server, await Bus.connect(server.url) as bus:
            await load.check(bus)


async def test_an_atomic_batch_that_is_on_the_disk_by_half_is_not_there_at_all(tmp_path):
    """Between its first byte and its fsync the power may fail anywhere in it."""
    store, kept = tmp_path / "nats", tmp_path / "kept"
    async with NatsServer(store) as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        await bus.bucket(LEDGER).batch(members("whole"))
        [file] = (store / "jetstream").rglob(f"KV_{LEDGER}/msgs/1.blk")
        before = file.stat().st_size
        await bus.bucket(LEDGER).batch(members("torn"))
        after = file.stat().st_size
        server._guard.cancel()
        await server._child.kill()
    shutil.copytree(store, kept)
    for left in range(before, after + 1, (after - before) // 8):
        shutil.rmtree(store)
        shutil.copytree(kept, store)
        os.truncate(file, left)
        async with NatsServer(store) as server, await Bus.connect(server.url) as bus:
            keys = Counter([key.partition(".")[0] async for key, _ in bus.bucket(LEDGER).values()])
            print(left - before, after - before, keys)


@pytest.mark.parametrize("always", [True, False])
async def test_no_acknowledgement_leaves_before_the_fsync(tmp_path, request, always):
    if not always:
        request.getfixturevalue("lazy")
    async with watched(tmp_path, shown=120) as (child, bus):
        ledger = bus.bucket(LEDGER)
        for number in range(10):
            await bus.publish("dead.a", b"%d" % number)
        revision = await ledger.create("one", b"1")
        await ledger.swap("one", b"2", revision)
        await ledger.batch(members("batch"))
        await child.kill()
        trace = await traced_to_the_end(tmp_path)
    shown = Disk()
    for m in moments(trace):
        shown.see(m)
        if not m.ended and 'stream\\"' in m.text:
            print(m.text[:300], {k:shown.unsafe(k) for k in shown.length if k.endswith('1.blk') and shown.length[k]})
