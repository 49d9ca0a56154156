"""A house that is backed up, and another machine onto which it is restored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from consumers import backup
from consumers.backup import Manifest
from contracts import subjects
from producers.bus import Bus
from producers.server import NatsServer
from tests.delivery_house import House


@asynccontextmanager
async def another_machine(folder: Path) -> AsyncIterator[Bus]:
    """A bus that nobody has used yet."""
    async with NatsServer(folder / "new-nats") as server, await Bus.connect(server.url) as bus:
        yield bus


async def saved(house: House, tmp_path: Path) -> Manifest:
    return await backup.save(house.bus, tmp_path / "backup", house.clock)


def a_house(bus: Bus, old: House, tmp_path: Path) -> House:
    """The same house on the other machine."""
    house = House(bus, tmp_path / "new-slots", old.readers)
    house.released, house.clock = old.released, old.clock
    return house


async def contents(bus: Bus) -> dict[str, list[tuple[Any, ...]]]:
    """Every message of what a backup holds, but for what a restore itself writes."""
    return {
        name: [(m.subject, m.seq, m.data, m.time) async for m in bus.scan(name)]
        for name in backup.ORDER
        if name != f"KV_{subjects.CONTROL.name}"
    }
