"""A power cut takes everything that was not fsynced; what the bus acknowledged is not among it."""

import asyncio
import os
import random
import re
import shutil
import sys
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from contracts import subjects
from producers import nats_server
from producers.bus import BatchEntry, Bus, NoReply, topology
from producers.errors import StreamSettingsDamaged
from producers.nats_server import (
    NatsServer,
    Ports,
    ServerProcess,
    ServerSecrets,
    ServerSetup,
    find_binary,
)
from tests.support import requirements
from tests.support.strace import (
    SimulatedDisk,
    disk_after,
    fault_injected,
    system_calls,
    traced_server,
)
from tests.support.waiting import until

LEDGER = subjects.LEDGER.name
ACKED = 1500
ALWAYS = "  sync_interval: {sync}\n"
MEMBERS = 40
PATIENCE_S = 60.0
DAY_NS = 86_400 * 10**9
ACK = re.compile(r'\\"stream\\":\\"(\w+)\\",\\"seq\\":(\d+)')
ACKNOWLEDGED = [("DEAD", number + 1) for number in range(10)]
ACKNOWLEDGED += [(f"KV_{LEDGER}", 1), (f"KV_{LEDGER}", 2), (f"KV_{LEDGER}", 2 + MEMBERS)]


@pytest.fixture(autouse=True)
def _needs():
    requirements.strace()


@pytest.fixture
def lazy_sync(monkeypatch):
    """The product's own settings but for the one line that this is about."""
    assert nats_server.SETTINGS.count(ALWAYS) == 1
    monkeypatch.setattr(nats_server, "SETTINGS", nats_server.SETTINGS.replace(ALWAYS, ""))


@asynccontextmanager
async def unguarded(tmp_path, binary):
    """The embedded server with the settings that the product writes, but without its restarts."""
    store = tmp_path / "nats"
    store.mkdir()
    setup = ServerSetup(store, Ports(), ServerSecrets.open(store))
    lock = os.open(os.devnull, os.O_RDONLY)
    child = await ServerProcess.start(binary, setup, lock)
    try:
        async with await Bus.connect(child.url) as bus:
            await topology.apply(bus)
            yield child, bus
    finally:
        await child.kill()
        os.close(lock)


def watched(tmp_path, *, shown=0):
    return unguarded(tmp_path, traced_server(tmp_path / "strace", shown=shown))


async def traced_to_the_end(tmp_path):
    """strace has written its last line when no process holds the trace any more."""
    trace = tmp_path / "strace" / "trace"
    await until(lambda: "killed by SIGKILL" in trace.read_text(errors="replace")[-2000:])
    return trace


async def power_cut(tmp_path, child):
    """How many bytes are gone."""
    await child.kill()
    trace = await traced_to_the_end(tmp_path)
    return disk_after(trace).cut_power(store_of(tmp_path))


def store_of(tmp_path):
    return tmp_path / "nats" / "jetstream"


async def publish_many(bus, count):
    for first in range(0, count, 100):
        names = [f"m{number}" for number in range(first, first + 100)]
        await asyncio.gather(*(bus.publish("dead.a", bytes(1024), msg_id=one) for one in names))


@asynccontextmanager
async def powered_again(tmp_path):
    async with NatsServer(tmp_path / "nats") as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        yield bus


async def ids(bus):
    """How often each Msg-Id is in DEAD."""
    return Counter([one.headers["Nats-Msg-Id"] async for one in bus.scan("DEAD")])


@pytest.mark.promise("1.1")
async def test_after_a_power_cut_every_acknowledged_message_is_there_once(tmp_path):
    async with watched(tmp_path) as (child, bus):
        await publish_many(bus, ACKED)
        await power_cut(tmp_path, child)
    async with powered_again(tmp_path) as bus:
        assert await ids(bus) == {f"m{number}": 1 for number in range(ACKED)}


async def ids_left(folder):
    """The messages that a start finds; none where the cut took settings of a stream, too."""
    try:
        async with powered_again(folder) as bus:
            return await ids(bus)
    except StreamSettingsDamaged:
        return {}


@pytest.mark.promise("1.2")
async def test_the_cut_takes_what_a_server_with_default_settings_acknowledged(tmp_path, lazy_sync):
    """Were nothing lost here, the test above would prove nothing."""
    async with watched(tmp_path) as (child, bus):
        await publish_many(bus, ACKED)
        assert await power_cut(tmp_path, child) > ACKED * 1024 / 2
    left = await ids_left(tmp_path)
    sys.stdout.write(f"default settings: {ACKED - len(left)} of {ACKED} acknowledged lost\n")
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
        for number in range(10_000):
            msg_id = f"{name}{number}"
            await self.bus.publish("dead.a", bytes(500), msg_id=msg_id, patience_s=PATIENCE_S)
            self.messages.add(msg_id)

    async def batch(self, name):
        for number in range(10_000):
            self.batches[f"{name}{number}"] = False
            await self.ledger.batch(members(f"{name}{number}"), timeout_s=PATIENCE_S)
            self.batches[f"{name}{number}"] = True

    async def swap(self):
        revision = 0
        for number in range(10_000):
            data = b"%d" % number
            revision = await self.ledger.swap("one", data, revision, timeout_s=PATIENCE_S)
            self.swapped = number

    async def enough(self):
        await until(
            lambda: len(self.messages) > 1000 and self.swapped > 100 and len(self.batches) > 30,
            within_s=300,
        )

    async def check(self, bus):
        """Check that acknowledged messages are there once, and a batch of the rest whole or not."""
        stored = await ids(bus)
        assert set(stored) >= self.messages
        assert set(stored.values()) == {1}
        ledger = bus.bucket(LEDGER)
        assert int((await ledger.get("one")).data) >= self.swapped
        there = await batches(bus)
        for name, acknowledged in self.batches.items():
            assert there[name] in ({MEMBERS} if acknowledged else {0, MEMBERS})


def members(name):
    return [BatchEntry(f"{name}.{number}", bytes(200), 0) for number in range(MEMBERS)]


async def batches(bus):
    """How many members of each batch are there."""
    return Counter([key.partition(".")[0] async for key, _ in bus.bucket(LEDGER).values()])


class Copies:
    """The same store again and again, to cut it in several ways."""

    def __init__(self, tmp_path):
        self.store, self.kept = tmp_path / "nats", tmp_path / "kept"
        shutil.copytree(self.store, self.kept)

    def anew(self):
        shutil.rmtree(self.store)
        shutil.copytree(self.kept, self.store)


@pytest.mark.promise("1.1")
async def test_a_cut_in_the_middle_of_everything_takes_only_what_nobody_was_promised(tmp_path):
    async with watched(tmp_path) as (child, bus):
        load = Load(bus)
        running = asyncio.create_task(load.run())
        await load.enough()
        await child.kill()
        running.cancel()
        await asyncio.wait([running])
        trace = await traced_to_the_end(tmp_path)
    copies = Copies(tmp_path)
    for seed in range(4):
        copies.anew()
        shares = random.Random(seed)
        disk_after(trace).cut_power(store_of(tmp_path), shares.random if seed else lambda: 0.0)
        async with powered_again(tmp_path) as bus:
            await load.check(bus)


@pytest.mark.parametrize("write", [2, 3, 20, MEMBERS, MEMBERS + 1])
async def test_an_atomic_batch_that_was_cut_anywhere_is_there_whole_or_not_at_all(tmp_path, write):
    """The server writes the members one by one; it dies in the middle of that, then the power."""
    async with unguarded(tmp_path, find_binary()) as (child, bus):
        ledger = bus.bucket(LEDGER)
        await ledger.batch(members("whole"))
        [file] = store_of(tmp_path).rglob(f"KV_{LEDGER}/msgs/1.blk")
        safe = file.stat().st_size
        with fault_injected(child.process.pid, f"pwrite64:signal=KILL:when={write}"):
            told = await asyncio.gather(
                ledger.batch(members("torn"), timeout_s=5), return_exceptions=True
            )
            acknowledged = not isinstance(told[0], NoReply)
            await child.kill()  # it may have put members together into fewer writes
    copies, written = Copies(tmp_path), file.stat().st_size
    # What was acknowledged is synced: no power cut takes any of it.
    for share in (1.0,) if acknowledged else (0.0, 0.3, 0.9, 1.0):
        copies.anew()
        os.truncate(file, safe + int(share * (written - safe)))
        async with powered_again(tmp_path) as bus:
            found = await batches(bus)
            allowed = {MEMBERS} if acknowledged else {0, MEMBERS}
            assert found["whole"] == MEMBERS and found["torn"] in allowed
            if not found["torn"]:
                await bus.bucket(LEDGER).batch(members("torn"))


@pytest.mark.parametrize(("file", "days"), [("meta.inf", 0), ("meta.sum", 30)])
async def test_a_server_killed_while_it_changes_a_stream_has_all_of_it_again(tmp_path, file, days):
    """It puts the new settings in place, then their checksum."""
    stream = store_of(tmp_path) / nats_server.LOA_ACCOUNT / "streams" / "DEAD"
    async with unguarded(tmp_path, find_binary()) as (child, bus):
        await bus.publish("dead.a", b"1")
        info = await bus.stream_info("DEAD")
        changed = info["config"] | {"max_age": 30 * DAY_NS}
        with fault_injected(child.process.pid, "rename,renameat:signal=KILL", stream / file):
            with pytest.raises(NoReply):
                await bus.connection.api_request("STREAM.UPDATE.DEAD", changed, 2)
            await child.process.wait()
    async with NatsServer(tmp_path / "nats") as server, await Bus.connect(server.url) as bus:
        again = await bus.stream_info("DEAD")
    assert again["created"] == info["created"] and again["state"]["messages"] == 1
    assert again["config"]["max_age"] == days * DAY_NS


async def acknowledgements(tmp_path):
    """For each PubAck: how much of its stream's file the disk did not have when it left."""
    async with watched(tmp_path, shown=120) as (child, bus):
        for number in range(10):
            await bus.publish("dead.a", b"%d" % number)
        ledger = bus.bucket(LEDGER)
        await ledger.swap("one", b"2", await ledger.create("one", b"1"))
        await ledger.batch(members("batch"))
        await child.kill()
        trace = await traced_to_the_end(tmp_path)
    return list(exposed(trace, store_of(tmp_path)))


def exposed(trace, store):
    """(stream, sequence, bytes that a power cut would take) when each acknowledgement leaves."""
    seen = SimulatedDisk()
    for moment in system_calls(trace):
        seen.apply(moment)
        ack = ACK.search(moment.text)
        if ack and moment.name in ("write", "writev") and not moment.ended:
            [file] = (store / nats_server.LOA_ACCOUNT / "streams" / ack[1] / "msgs").glob("1.blk")
            assert seen.length[str(file)] > 0
            yield ack[1], int(ack[2]), seen.unsynced(str(file))


@pytest.mark.promise("1.1")
async def test_no_acknowledgement_leaves_before_the_disk_has_the_message(tmp_path):
    left = await acknowledgements(tmp_path)
    assert [ack[:2] for ack in left] == ACKNOWLEDGED
    assert {unsafe for _, _, unsafe in left} == {0}


@pytest.mark.promise("1.2")
async def test_default_settings_acknowledge_what_the_disk_does_not_have(tmp_path, lazy_sync):
    """Were this not seen, the test above would see nothing."""
    left = await acknowledgements(tmp_path)
    assert [ack[:2] for ack in left] == ACKNOWLEDGED
    assert all(unsafe > 0 for _, _, unsafe in left)
