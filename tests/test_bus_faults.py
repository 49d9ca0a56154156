"""The server is killed, frozen or cut off under load: all that it acknowledged is there, once."""

import asyncio
import gc
import os
import random
import re
import signal
import sys
from collections import Counter
from itertools import count
from time import monotonic

import pytest

from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Ledger
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from producers import acceptance
from producers import server as serving
from producers.bus import Bus, BusError, Conflict, Full, Silence, connect, topology
from producers.server import NatsServer
from tests.doors import an_event, open_door
from tests.freezing import freeze, frozen
from tests.proxy import Proxy

KILLS = 15
PUBLISHERS, SWAPPERS = 256, 4
UNITS = subjects.UNITS.name
LEDGER = subjects.LEDGER.name
UP_TO = re.compile(rb"(Nats-UpTo-Sequence: )(\d+)")


class Publisher:
    """Publishes without end, each message until it is acknowledged."""

    def __init__(self, bus, name, acknowledged):
        self.bus, self.acknowledged = bus, acknowledged
        self.ids = (f"{name}.{number}" for number in count())
        self.repeats = 0

    async def once(self):
        msg_id = next(self.ids)
        ack = await self.bus.publish("dead.a", bytes(300), msg_id=msg_id, patience_s=60)
        self.acknowledged.append(msg_id)
        self.repeats += ack.duplicate


class Swapper:
    """Counts up under a key of its own, as a worker does in its entry of the ledger.

    After silence it writes the same again, and what it then finds instead must be its own.
    """

    def __init__(self, bus, key):
        self.bucket, self.key = bus.bucket(LEDGER), key
        self.written, self.revision = 0, 0

    async def once(self):
        number = self.written + 1
        try:
            self.revision = await self.bucket.swap(
                self.key, str(number).encode(), self.revision, timeout_s=0.5
            )
        except Silence:
            await asyncio.sleep(0.02)  # without a connection it is said at once
            return
        except Conflict:
            stands = await self.bucket.get(self.key, patience_s=60)
            assert int(stands.data) == number, "what was acknowledged is gone"
            self.revision = stands.revision
        self.written = number

    async def check(self):
        """One swap more, after which nothing is on its way."""
        before = self.written
        while self.written == before:
            await self.once()
        stands = await self.bucket.get(self.key)
        assert (int(stands.data), stands.revision) == (self.written, self.revision)


async def on_and_on(one, stopped):
    while not stopped.is_set():
        await one.once()


async def kills(server, acknowledged):
    """Kill it again and again in the middle of its work; how long until another one answers."""
    chance, took = random.Random(15), []
    for _ in range(KILLS):
        enough = len(acknowledged) + chance.randrange(450, 950)
        while len(acknowledged) < enough:
            await asyncio.sleep(0.001)
        pid, started = server.pid, monotonic()
        os.kill(pid, signal.SIGKILL)
        while server.pid == pid:
            await asyncio.sleep(0.001)
        took.append(monotonic() - started)
    return took


async def test_fifteen_kills_under_load_lose_nothing_and_double_nothing(own_server, own_bus):
    acknowledged, stopped = [], asyncio.Event()
    async with await Bus.connect(own_server.url) as second:
        buses = [own_bus, second]
        publishers = [Publisher(buses[n % 2], f"p{n}", acknowledged) for n in range(PUBLISHERS)]
        swappers = [Swapper(buses[n % 2], f"s{n}") for n in range(SWAPPERS)]
        async with asyncio.TaskGroup() as group:
            for one in (*publishers, *swappers):
                group.create_task(on_and_on(one, stopped))
            restarts = await kills(own_server, acknowledged)
            stopped.set()
        for one in swappers:
            await one.check()
    stored = Counter([one.headers["Nats-Msg-Id"] async for one in own_bus.scan("DEAD")])
    swaps = sum(one.written for one in swappers)
    sys.stdout.write(
        f"{KILLS} kills: {len(acknowledged)} acknowledged, "
        f"{sum(one.repeats for one in publishers)} repeats absorbed, {swaps} swaps, "
        f"restart in {max(restarts):.2f} s at most\n"
    )
    assert stored == Counter(acknowledged)
    assert len(acknowledged) > 10_000
    assert swaps > 10 * KILLS


UNCLOSED = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""nats-py leaves a connection that it dialled in vain to the garbage collector."""


@pytest.fixture
def quick_pings(monkeypatch):
    """The client notices a frozen server as it always does, only sooner."""
    options = connect._options

    def quick(name, creds_file):
        found = options(name, creds_file)
        assert (found["ping_interval"], found["max_outstanding_pings"]) == (5, 2)
        return found | {"ping_interval": 0.2}

    monkeypatch.setattr(connect, "_options", quick)


@UNCLOSED
async def test_a_server_frozen_for_longer_than_pings_take_is_silence_then_works(
    tmp_path, quick_pings
):
    async with NatsServer(tmp_path, check_s=600) as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        with frozen(server.pid):
            for number in range(3):
                with pytest.raises(Silence):
                    await bus.publish("dead.a", b"", msg_id=f"{number}", timeout_s=1, patience_s=1)
            assert not bus.nc.is_connected, "the client gave that connection up"
        for number in range(3):
            await bus.publish("dead.a", b"", msg_id=f"{number}", patience_s=20)
        assert [one.headers["Nats-Msg-Id"] async for one in bus.scan("DEAD")] == ["0", "1", "2"]
    gc.collect()


@pytest.fixture
def guard_looks(monkeypatch):
    """The server's guard looks at it only while this is set."""
    may_look, look = asyncio.Event(), serving.complaint
    may_look.set()

    async def complaint(url):
        await may_look.wait()
        return await look(url)

    monkeypatch.setattr(serving, "complaint", complaint)
    return may_look


@pytest.fixture
def hurried(monkeypatch):
    """The door waits for a second only."""
    monkeypatch.setattr(acceptance, "ANSWER_S", 1.0)


async def test_a_frozen_server_is_replaced_and_the_door_never_lied(
    guard_looks, own_server, own_bus, clock, hurried
):
    async with open_door(own_bus, clock) as door:
        accepted = []

        async def post(number):
            answer = await door.post(an_event(id=f"e-{number}", content_id=f"tin-{number}"))
            if answer.status_code == 202:
                accepted.append(f"e-{number}")
            return answer.status_code

        assert await post(0) == 202
        hung = own_server.pid
        guard_looks.clear()
        freeze(hung)
        assert await asyncio.gather(*(post(number) for number in range(1, 9))) == [503] * 8
        guard_looks.set()
        async with asyncio.timeout(30):
            while await post(9) != 202:
                pass
        assert own_server.pid != hung
        assert [await post(number) for number in range(1, 9)] == [202] * 8
        stored = Counter([one["id"] for one in await door.stored()])
        assert stored == Counter(accepted)


def without(words, times):
    """Lets every answer pass, except the first few that contain *words*."""
    left = times

    def rewrite(data):
        nonlocal left
        if words not in data or not left:
            return data
        left -= 1
        return b""

    return rewrite


@pytest.fixture
async def behind(own_server):
    """A bus whose answers can be lost on the way, and the proxy that loses them."""
    port = int(own_server.url.rpartition(":")[2])
    async with Proxy(port) as proxy, await Bus.connect(f"nats://127.0.0.1:{proxy.port}") as bus:
        await topology.apply(bus)
        yield proxy, bus


async def test_a_publish_whose_acknowledgement_is_lost_is_repeated_and_stored_once(behind):
    proxy, bus = behind
    proxy.down.rewrite = without(b'"stream":"DEAD"', times=3)
    ack = await bus.publish("dead.a", b"x", msg_id="one", timeout_s=0.2)
    assert (ack.seq, ack.duplicate) == (1, True)
    assert [one.data async for one in bus.scan("DEAD")] == [b"x"]


async def test_a_swap_whose_answer_is_lost_is_silence_and_its_repeat_a_conflict(behind):
    proxy, bus = behind
    units = bus.bucket(UNITS)
    first = await units.create("vp", b"1")
    proxy.down.rewrite = without(b'"stream":"KV_units"', times=1)
    with pytest.raises(Silence):
        await units.swap("vp", b"2", first, timeout_s=0.2)
    with pytest.raises(Conflict) as found:
        await units.swap("vp", b"2", first)
    assert found.value.revision == (await units.get("vp")).revision == first + 1


@pytest.mark.parametrize("stream", ["KV_events", "KV_publications", "CONTENT"])
async def test_an_event_whose_acknowledgement_is_lost_is_503_then_the_same_202(
    behind, clock, stream, hurried
):
    proxy, bus = behind
    async with open_door(bus, clock) as door:
        proxy.down.rewrite = without(b'"stream":"%s"' % stream.encode(), times=1)
        lost = await door.post(an_event())
        assert (lost.status_code, lost.headers["retry-after"]) == (503, "5")
        first, again = await door.post(an_event()), await door.post(an_event())
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        assert [one["id"] for one in await door.stored()] == ["e-1"]


async def test_a_disk_that_was_given_too_little_is_full_not_silent(other_server):
    settings = "jetstream { store_dir: STORE, sync_interval: always, max_file_store: 20KB }"
    with other_server(settings) as other:
        async with await Bus.connect(other.url) as bus:
            await bus.link.api("STREAM.CREATE.A", {"name": "A", "subjects": ["a"]})
            with pytest.raises(Full):
                for _ in range(20):
                    await bus.publish("a", bytes(5000))


async def test_a_stream_that_dropped_what_is_old_refuses_from_now_on(bus):
    config = (await bus.stream_info("DEAD"))["config"]
    await bus.link.api("STREAM.UPDATE.DEAD", config | {"discard": "old"})
    await topology.apply(bus)
    assert (await bus.stream_info("DEAD"))["config"]["discard"] == "new"


async def test_a_stream_that_is_held_in_memory_only_is_refused(bus):
    await bus.link.api("STREAM.DELETE.DEAD")
    await bus.link.api("STREAM.CREATE.DEAD", {"name": "DEAD", "storage": "memory"})
    with pytest.raises(BusError, match="storage"):
        await topology.apply(bus)


class Replica:
    """Answers the first direct gets as a replica does that has not heard the latest changes."""

    def __init__(self, answers):
        self.left = answers

    def __call__(self, data):
        if self.left and (found := UP_TO.search(data)):
            self.left -= 1
            return data.replace(found[0], found[1] + b"0" * len(found[2]))
        return data


async def test_a_plan_is_never_read_from_a_replica_that_is_behind(behind):
    proxy, bus = behind
    ledger, plan = Ledger(bus), PlanKey(ChannelName.EMAIL, "tin", 1)
    held = await ledger.create_plan(plan, Cursor())
    cursor = held.value.advance([["r1"]], complete=True, now=1.0)
    held = await ledger.extend(plan, held, cursor, [Rows(("r1",))])
    proxy.down.rewrite = replica = Replica(answers=2)
    [(batch, _)] = [one async for one in ledger.entries(plan, held.value)]
    assert (batch.number, replica.left) == (0, 0)


async def test_what_only_a_replica_that_stays_behind_answers_is_silence(behind, monkeypatch):
    monkeypatch.setattr("producers.bus.messages.READ_PATIENCE_S", 0.3)
    proxy, bus = behind
    units = bus.bucket(UNITS)
    revision = await units.put("vp", b"1")
    proxy.down.rewrite = Replica(answers=1000)
    with pytest.raises(Silence, match="behind"):
        await units.many(["vp"], since=revision)
