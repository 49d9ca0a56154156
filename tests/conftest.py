"""What every test may ask for: a real nats-server, a bus with a fresh topology, a clock."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from producers.bus import Bus, topology
from producers.server import NatsServer


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One real server for the whole run. Its loop stands still between start and stop."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(server.start())
        yield server
        runner.run(server.stop())


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection to a server that holds the topology, and nothing else."""
    async with await Bus.connect(nats_server.url, name="test") as bus:
        await renew(bus)
        yield bus


async def renew(bus: Bus) -> None:
    """Every stream anew: without messages, message ids or what consumers remember.

    One stream stands all the while: behind the last one, the server removes the folder in which we
    already create the next.
    """
    names = (await bus.link.api("STREAM.NAMES"))["streams"] or []
    await bus.link.api("STREAM.CREATE.MEANWHILE", {"name": "MEANWHILE", "subjects": ["meanwhile"]})
    await asyncio.gather(*(bus.link.api(f"STREAM.DELETE.{name}") for name in names))
    await topology.apply(bus)
    await bus.link.api("STREAM.DELETE.MEANWHILE")


@dataclass
class Clock:
    """Seconds since the epoch, standing still until a test moves them."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()
