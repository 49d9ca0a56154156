"""A disk that is full, broken or slow: 503 and never a 202 for nothing, and back by itself."""

import asyncio
import os
import re
from collections import Counter
from contextlib import asynccontextmanager, suppress

import pytest

from contracts import subjects
from contracts.errors import Unavailable
from producers import nats_server
from producers.bus import BatchEntry, Bus, BusError, NoReply, topology
from producers.errors import ServerFailed
from producers.nats_server import NatsServer
from producers.publisher import Publisher, Spooled
from tests.support import requirements
from tests.support.gateway_client import UNIT, hurried, in_earnest, open_gateway, sample_event
from tests.support.strace import fault_injected, faulty_server

__all__ = ["hurried", "in_earnest"]

LEDGER = subjects.LEDGER.name
READERS = f"KV_{subjects.SUBSCRIBERS.name}"
CHECK_S = 0.2
PATIENCE_S = 120


@asynccontextmanager
async def watched(store, **options):
    """The embedded server with its guard, and a bus."""
    async with (
        NatsServer(store, check_s=CHECK_S, **options) as server,
        await Bus.connect(server.url) as bus,
    ):
        await topology.apply(bus)
        yield server, bus


class EventSender:
    """Sends one event after the other, and knows which were accepted."""

    def __init__(self, door, clock):
        self.door, self.clock = door, clock
        self.sent = 0
        self.accepted: set[str] = set()

    async def send(self, size=1000, id=None):
        """The status. What is not 202 is a 503 that says when to come back."""
        self.sent += 1
        self.clock.advance(1)  # nobody sends too often
        id = id or f"e-{self.sent}"
        async with asyncio.timeout(60):
            answer = await self.door.post(
                sample_event(id=id, content_id=f"tin-{id}", body="x" * size)
            )
        if answer.status_code == 202:
            self.accepted.add(id)
        else:
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        return answer.status_code

    async def until(self, status, size=1000, id=None):
        async with asyncio.timeout(PATIENCE_S):
            while await self.send(size, id) != status:
                pass

    async def check(self):
        """Every accepted event is on CONTENT, and no event is there twice."""
        stored = Counter(one["id"] for one in await self.door.stored_events())
        assert self.accepted <= set(stored)
        assert set(stored.values()) == {1}


@pytest.fixture
async def gateway_on_small_disk(tmp_path, clock, hurried):
    requirements.small_disks()
    with requirements.small_disk(tmp_path / "small") as disk:
        async with watched(disk / "nats") as (_, bus), open_gateway(bus, clock) as door:
            yield disk, EventSender(door, clock)


@pytest.mark.promise("1.4")
async def test_a_full_disk_closes_the_door_and_room_opens_it_again(gateway_on_small_disk, capsys):
    disk, sender = gateway_on_small_disk
    ballast = requirements.fill(disk, leaving=2 << 20)
    await sender.until(503, size=50_000)
    requirements.fill(disk)
    await sender.until(503)
    for _ in range(2):
        await sender.send()
    ballast.unlink()
    await sender.until(202)
    await sender.check()
    said = capsys.readouterr().out
    assert re.search(r"nats_server_ill +reason=.*no space left on device", said)
    assert "nats_server_lost" in said


async def test_on_a_full_disk_the_bus_is_silent_and_keeps_what_it_took(gateway_on_small_disk):
    disk, sender = gateway_on_small_disk
    bus = sender.door.bus
    numbers = bus.bucket(LEDGER)
    revision = await numbers.create("one", b"1")
    await bus.publish("dead.a", b"1", msg_id="1")
    ballast = requirements.fill(disk)
    with pytest.raises(NoReply):
        for number in range(2, 20):
            await bus.publish("dead.a", bytes(5000), msg_id=str(number), patience_s=2)
    with pytest.raises(NoReply):
        await numbers.swap("one", bytes(9000), revision, timeout_s=2)
    ballast.unlink()
    await bus.publish("dead.a", b"last", msg_id="last", patience_s=PATIENCE_S)
    stored = [one.headers["Nats-Msg-Id"] async for one in bus.scan("DEAD")]
    assert (stored[0], stored[-1]) == ("1", "last")
    assert max(Counter(stored).values()) == 1


def members(name):
    return [BatchEntry(f"{name}.{number}", bytes(100), 0) for number in range(30)]


async def publish_all(bus, names):
    for name in names:
        await bus.publish("dead.a", bytes(500), msg_id=name, timeout_s=1, patience_s=PATIENCE_S)


async def batch_all(bus, names):
    """Atomic batches, each repeated until it is known to be there."""
    ledger = bus.bucket(LEDGER)
    for name in names:
        async with asyncio.timeout(PATIENCE_S):
            while await ledger.get(f"{name}.29") is None:
                with suppress(BusError):
                    await ledger.batch(members(name), timeout_s=1)


@pytest.mark.promise("1.4")
@pytest.mark.parametrize("when", ["", ":when=3"])
@pytest.mark.parametrize("call", ["fsync", "pwrite64"])
async def test_after_an_input_output_error_nothing_acknowledged_is_lost(tmp_path, call, when):
    """The server says nothing more about that stream; its guard notices, and starts it again."""
    requirements.strace()
    async with watched(tmp_path / "nats") as (server, bus):
        broken = server.pid
        names = [[f"{kind}{number}" for number in range(40)] for kind in "abcd"]
        with fault_injected(server.pid, f"{call}:error=EIO{when}"):
            async with asyncio.TaskGroup() as group:
                for some in names:
                    group.create_task(publish_all(bus, some))
                group.create_task(batch_all(bus, ["k1", "k2", "k3"]))
        assert server.pid != broken
        stored = Counter([one.headers["Nats-Msg-Id"] async for one in bus.scan("DEAD")])
        assert stored == Counter(name for some in names for name in some)
        found = Counter([key.partition(".")[0] async for key, _ in bus.bucket(LEDGER).values()])
        assert found == {"k1": 30, "k2": 30, "k3": 30}


@pytest.mark.parametrize("write", [2, 15, 31])
async def test_a_batch_that_met_a_write_error_is_whole_or_absent_after_the_restart(tmp_path, write):
    """Until then a part of it can be read, but nothing can be written next to it."""
    requirements.strace()
    async with watched(tmp_path / "nats") as (server, bus):
        ledger, broken = bus.bucket(LEDGER), server.pid
        with fault_injected(server.pid, f"pwrite64:error=EIO:when={write}"):
            [told] = await asyncio.gather(
                ledger.batch(members("k"), timeout_s=5), return_exceptions=True
            )
            await bus.publish(f"$KV.{LEDGER}.other", b"", msg_id="other", patience_s=PATIENCE_S)
        if not isinstance(told, NoReply):  # members put together into fewer writes: none was met
            assert len(await ledger.keys("k.")) == 30
            return
        only_gathered = "incomplete" in str(told)  # the error met what is not the ledger yet
        assert only_gathered or server.pid != broken
        assert len(await ledger.keys("k.")) in ((0,) if only_gathered else (0, 30))


@pytest.mark.promise("1.4")
async def test_a_broken_disk_keeps_the_door_closed_until_it_is_mended(tmp_path, clock, hurried):
    requirements.strace()
    binary = faulty_server(tmp_path / "strace", "fsync:error=EIO")
    flag = binary.parent / "broken"
    async with (
        watched(tmp_path / "nats", binary=binary) as (server, bus),
        open_gateway(bus, clock) as door,
    ):
        sender = EventSender(door, clock)
        await sender.until(202)
        flag.touch()
        with fault_injected(server.pid, "fsync:error=EIO"):
            await sender.until(503)
        for _ in range(2):
            assert await sender.send() == 503
        flag.unlink()
        await sender.until(202)
        await sender.check()


@pytest.mark.promise("1.4")
async def test_on_a_slow_disk_the_door_answers_in_time_and_nothing_is_lost(
    tmp_path, clock, in_earnest
):
    """300 ms for every fsync: who comes in a crowd is told to come again, and is stored once."""
    requirements.strace()
    async with watched(tmp_path / "nats") as (server, bus), open_gateway(bus, clock) as door:
        slow, sender = server.pid, EventSender(door, clock)
        ids = [f"e-{number}" for number in range(25)]
        with fault_injected(server.pid, "fsync:delay_enter=300000"):
            await sender.until(202, id="alone")
            crowd = await asyncio.gather(*(sender.send(id=one) for one in ids))
        assert set(crowd) <= {202, 503}
        for one in ids:
            await sender.until(202, id=one)
        await sender.check()
        assert server.pid == slow, "slow is not ill"


@pytest.mark.promise("1.4")
async def test_on_a_disk_of_two_seconds_the_door_still_answers_and_nothing_is_lost(
    tmp_path, clock, in_earnest
):
    """One event needs more than the door waits for; what the first try has stored, stays."""
    requirements.strace()
    async with watched(tmp_path / "nats") as (server, bus), open_gateway(bus, clock) as door:
        slow, sender = server.pid, EventSender(door, clock)
        with fault_injected(server.pid, "fsync:delay_enter=2000000"):
            assert set(await asyncio.gather(*(sender.send(id=one) for one in "abc"))) == {503}
            await sender.until(202, id="a")
            assert sender.accepted == {"a"}
        for one in "abc":
            await sender.until(202, id=one)
        await sender.check()
        assert server.pid == slow, "slow is not ill"


async def test_a_large_stream_goes_back_onto_a_slow_disk(tmp_path):
    """With 3 ms for each fsync, a server that fsyncs each message gives the restore up."""
    requirements.strace()
    async with watched(tmp_path / "first") as (_, bus):
        saved, chunks = await saved_readers(bus, 6000)
    async with NatsServer(tmp_path / "second") as server, await Bus.connect(server.url) as bus:
        refused = await restored_messages(server, bus, saved, chunks)
        await topology.delete_stream(bus, READERS)
        async with server.loading():
            assert await restored_messages(server, bus, saved, chunks) == 6000
    assert refused == "restore failed: io: read/write on closed pipe"


async def saved_readers(bus, count):
    """The snapshot of so many records of 250 random bytes, and its chunks."""
    bucket, chunks = bus.bucket(subjects.SUBSCRIBERS.name), []
    for start in range(0, count, 200):
        keys = (f"r{number}" for number in range(start, start + 200))
        await asyncio.gather(*(bucket.put(key, os.urandom(250)) for key in keys))
    return await bus.save_snapshot(READERS, chunks.append), chunks


async def restored_messages(server, bus, saved, chunks):
    """How many messages the stream has on a slow disk, or why it is not there."""
    await topology.mark_restoring(bus)  # waits for a server that just starts
    with fault_injected(server.pid, "fsync:delay_enter=3000"):
        try:
            await bus.restore_snapshot(READERS, saved, chunks)
        except BusError as failed:
            return str(failed)
        return (await bus.stream_info(READERS))["state"]["messages"]


async def test_what_can_neither_be_sent_nor_kept_is_told_to_whoever_sends_it(tmp_path):
    requirements.small_disks()
    with requirements.small_disk(tmp_path / "small") as disk:
        publisher = Publisher(None, UNIT, disk / "spool")
        assert isinstance(await publisher.publish(sample_event(id="e-1")), Spooled)
        ballast = requirements.fill(disk)
        with pytest.raises(Unavailable, match="No space left on device"):
            await publisher.publish(sample_event(id="e-2", body="x" * 9000))
        ballast.unlink()
        assert isinstance(await publisher.publish(sample_event(id="e-2", body="x" * 9000)), Spooled)
        kept = [publisher.spool.read(path).event.id for path in publisher.spool.waiting()]
        assert kept == ["e-1", "e-2"]


async def test_a_full_disk_lets_no_server_start_and_says_so_at_once(tmp_path, monkeypatch):
    requirements.small_disks()
    monkeypatch.setattr(nats_server, "PARTIAL_FILE_S", 0.2)
    with requirements.small_disk(tmp_path / "small") as disk:
        async with NatsServer(disk / "nats"):
            pass
        requirements.fill(disk)
        with pytest.raises((ServerFailed, OSError), match=r"(?i)no space left on device"):
            await NatsServer(disk / "nats").start()
