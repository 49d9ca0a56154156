"""A house that is backed up, and another machine onto which it is restored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from consumers.operations import backup
from consumers.operations.backup import BackupManifest
from contracts import subjects
from producers.bus import Bus
from producers.nats_server import NatsServer
from tests.support.delivery_pipeline import DeliveryPipeline


@asynccontextmanager
async def new_machine(folder: Path) -> AsyncIterator[Bus]:
    """A bus that nobody has used yet."""
    async with NatsServer(folder / "new-nats") as server, await Bus.connect(server.url) as bus:
        yield bus


async def save_backup(house: DeliveryPipeline, tmp_path: Path) -> BackupManifest:
    return await backup.save_backup(house.bus, tmp_path / "backup", house.clock)


def restored_pipeline(bus: Bus, old: DeliveryPipeline, tmp_path: Path) -> DeliveryPipeline:
    """The same house on the other machine."""
    house = DeliveryPipeline(bus, tmp_path / "new-slots", old.readers)
    house.released, house.clock = old.released, old.clock
    return house


async def contents(bus: Bus) -> dict[str, list[tuple[Any, ...]]]:
    """Every message of what a backup holds, but for what a restore itself writes."""
    return {
        name: [(m.subject, m.seq, m.data, m.time) async for m in bus.scan(name)]
        for name in backup.SAVE_ORDER
        if name != f"KV_{subjects.CONTROL.name}"
    }
