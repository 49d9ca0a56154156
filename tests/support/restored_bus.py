"""A bus that is saved, and another one on which it comes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from consumers.operations import backup, restore
from consumers.operations.backup import BackupManifest
from producers.bus import Bus
from producers.nats_server import NatsServer
from tests.support.clock import FakeClock

CLERK = "Trần Thị Bình"


@asynccontextmanager
async def restored_bus(tmp_path: Path, clock: FakeClock, **options: Any) -> AsyncIterator[Bus]:
    async with NatsServer(tmp_path / "new-nats") as server, await Bus.connect(server.url) as bus:
        await restore.restore_backup(bus, tmp_path / "backup", clock, **options)
        yield bus


async def save_bus(bus: Bus, tmp_path: Path, clock: FakeClock) -> BackupManifest:
    return await backup.save_backup(bus, tmp_path / "backup", clock)
