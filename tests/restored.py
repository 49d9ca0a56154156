"""A bus that is saved, and another one on which it comes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from consumers import backup, restore
from consumers.backup import Manifest
from producers.bus import Bus
from producers.server import NatsServer
from tests.fakes import Clock

CLERK = "Trần Thị Bình"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def restored(tmp_path: Path, clock: Clock, **options: Any) -> AsyncIterator[Bus]:
    async with NatsServer(tmp_path / "new-nats") as server, await Bus.connect(server.url) as bus:
        await restore.restore(bus, tmp_path / "backup", clock, **options)
        yield bus


async def saved(bus: Bus, tmp_path: Path, clock: Clock) -> Manifest:
    return await backup.save(bus, tmp_path / "backup", clock)
