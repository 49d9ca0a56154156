"""The server is killed or frozen under load: all that it acknowledged is there, once."""

import asyncio
import gc
import os
import random
import signal
import sys
from collections import Counter
from itertools import count
from time import monotonic

import pytest

from contracts import subjects
from producers import acceptance
from producers import nats_server as serving
from producers.bus import Bus, NoReply, RevisionConflict, connection, topology
from producers.nats_server import NatsServer
from tests.support.frozen_process import freeze, frozen
from tests.support.gateway_client import HURRIED_S, open_gateway, sample_event
from tests.support.waiting import until

KILLS = 15
PUBLISHERS, SWAPPERS = 256, 4
LEDGER = subjects.LEDGER.name


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
        except NoReply:
            await asyncio.sleep(0.02)  # without a connection it is said at once
            return
        except RevisionConflict:
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
        await until(lambda e=enough: len(acknowledged) >= e, within_s=60)
        pid, started = server.pid, monotonic()
        os.kill(pid, signal.SIGKILL)
        await until(lambda p=pid: server.pid != p)
        took.append(monotonic() - started)
    return took


@pytest.mark.promise("1.3")
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
    assert swaps > KILLS


UNCLOSED = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""nats-py leaves a connection that it dialled in vain to the garbage collector."""


@pytest.fixture
def quick_pings(monkeypatch):
    """The client notices a frozen server as it always does, only sooner."""
    options = connection._options

    def quick(name, access):
        found = options(name, access)
        assert (found["ping_interval"], found["max_outstanding_pings"]) == (5, 2)
        return found | {"ping_interval": 0.2}

    monkeypatch.setattr(connection, "_options", quick)


@UNCLOSED
async def test_a_server_frozen_for_longer_than_pings_is_silent_then_works(tmp_path, quick_pings):
    async with NatsServer(tmp_path, check_s=600) as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        with frozen(server.pid):
            for number in range(3):
                with pytest.raises(NoReply):
                    await bus.publish("dead.a", b"", msg_id=f"{number}", timeout_s=1, patience_s=1)
            await until(lambda: not bus.nc.is_connected)  # the client gave that connection up
        for number in range(3):
            await bus.publish("dead.a", b"", msg_id=f"{number}", patience_s=60)
        assert [one.headers["Nats-Msg-Id"] async for one in bus.scan("DEAD")] == ["0", "1", "2"]
    gc.collect()


@pytest.fixture
def guard_probes(monkeypatch):
    """The server's guard looks at it only while this is set."""
    may_look, look = asyncio.Event(), serving.health_problem
    may_look.set()

    async def health_problem(*question):
        await may_look.wait()
        return await look(*question)

    monkeypatch.setattr(serving, "health_problem", health_problem)
    return may_look


@pytest.mark.promise("1.4")
async def test_a_frozen_server_is_replaced_and_the_door_never_lied(
    guard_probes, own_server, own_bus, clock, monkeypatch
):
    async with open_gateway(own_bus, clock) as door:
        accepted = []

        async def post(number):
            answer = await door.post(sample_event(id=f"e-{number}", content_id=f"tin-{number}"))
            if answer.status_code == 202:
                accepted.append(f"e-{number}")
            return answer.status_code

        assert await post(0) == 202
        hung = own_server.pid
        guard_probes.clear()
        freeze(hung)
        with monkeypatch.context() as hurried:
            hurried.setattr(acceptance, "ANSWER_TIMEOUT_S", HURRIED_S)
            assert await asyncio.gather(*(post(number) for number in range(1, 9))) == [503] * 8
            guard_probes.set()
            async with asyncio.timeout(120):
                while await post(9) != 202:
                    pass
        assert own_server.pid != hung
        assert [await post(number) for number in range(1, 9)] == [202] * 8
        stored = Counter([one["id"] for one in await door.stored_events()])
        assert stored == Counter(accepted)
