"""A bus that is saved, and another machine on which it comes back."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from consumers.operations import backup, restore
from consumers.operations.backup import BackupFolder, BackupManifest, StoredBackup
from contracts import subjects
from producers.bus import Bus
from producers.nats_server import NatsServer
from tests.support.clock import FakeClock
from tests.support.delivery_pipeline import DeliveryPipeline

CLERK = "Trần Thị Bình"


def backup_folder(path: Path) -> BackupFolder:
    """A backup's folder with the tests' key."""
    return BackupFolder(path, b"a key for backups")


def opened_backup(path: Path) -> StoredBackup:
    """A backup that was made with the tests' key."""
    return backup.open_backup(backup_folder(path))


@asynccontextmanager
async def new_machine(folder: Path) -> AsyncIterator[Bus]:
    """An unused bus."""
    async with NatsServer(folder / "new-nats") as server, await Bus.connect(server.url) as bus:
        yield bus


async def save_bus(bus: Bus, tmp_path: Path, clock: FakeClock) -> BackupManifest:
    return await backup.save_backup(bus, backup_folder(tmp_path / "backup"), clock)


async def save_pipeline(loa: DeliveryPipeline, tmp_path: Path) -> BackupManifest:
    return await save_bus(loa.bus, tmp_path, loa.clock)


@contextmanager
def during_backup(
    monkeypatch: pytest.MonkeyPatch, stream: str, act: Callable[[Bus], Awaitable[None]]
) -> Iterator[None]:
    """Do something just before *stream* is saved."""
    save = Bus.save_snapshot

    async def meanwhile(bus: Bus, name: str, take: Any) -> Any:
        if name == stream:
            await act(bus)
        return await save(bus, name, take)

    with monkeypatch.context() as patched:
        patched.setattr(Bus, "save_snapshot", meanwhile)
        yield


@asynccontextmanager
async def restored_bus(tmp_path: Path, clock: FakeClock, **options: Any) -> AsyncIterator[Bus]:
    async with new_machine(tmp_path) as bus:
        await restore.restore_backup(bus, opened_backup(tmp_path / "backup"), clock, **options)
        yield bus


@asynccontextmanager
async def restored_pipeline(
    old: DeliveryPipeline, tmp_path: Path, **options: Any
) -> AsyncIterator[DeliveryPipeline]:
    """The saved pipeline on the other machine."""
    async with restored_bus(tmp_path, old.clock, **options) as bus:
        new = DeliveryPipeline(bus, tmp_path / "new-slots", old.readers)
        new.released, new.clock = old.released, old.clock
        new.planner.doubts = await restore.active_doubts(bus)
        yield new


async def contents(bus: Bus) -> dict[str, list[tuple[Any, ...]]]:
    """Every message of what a backup holds, but for what a restore itself writes."""
    return {
        name: [(m.subject, m.seq, m.data, m.time) async for m in bus.scan(name)]
        for name in backup.SAVE_ORDER
        if name != f"KV_{subjects.CONTROL.name}"
    }
