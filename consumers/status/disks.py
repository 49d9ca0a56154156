"""The room on disks; one that hangs, as a share of a dead server does, holds up nothing."""

import asyncio
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from channels.daemon_threads import begin
from consumers.status.findings import DiskSpace


def disk_spaces(folders: Iterable[Path]) -> tuple[DiskSpace, ...]:
    """The space of each disk of *folders*, once; a folder that can't be read has none."""
    spaces: dict[int, DiskSpace] = {}
    for folder in folders:
        if space := disk_space(folder):
            with suppress(OSError):
                spaces.setdefault(folder.stat().st_dev, space)
    return tuple(spaces.values())


def disk_space(folder: Path) -> DiskSpace | None:
    """The space of the disk of *folder*; None if it is not there, or can't be read."""
    try:
        usage = shutil.disk_usage(folder)
        return DiskSpace(str(folder.resolve()), usage.free, usage.total)
    except OSError:
        return None


@dataclass
class DiskMonitor:
    """The disks of *folders*, by name, each measured by one thread at a time.

    While a disk hangs, its last value stays.
    """

    folders: Mapping[str, Path]
    spaces: dict[str, DiskSpace] = field(default_factory=dict)
    under_way: dict[str, "asyncio.Future[DiskSpace | None]"] = field(default_factory=dict)

    async def measure(self, patience_s: float) -> None:
        """Measure each disk whose last measurement has ended, for *patience_s* at most."""
        for name, folder in self.folders.items():
            if name not in self.under_way:
                self.under_way[name] = begin(partial(disk_space, folder))
        if self.under_way:
            await asyncio.wait(self.under_way.values(), timeout=patience_s)
        for name in [name for name, measured in self.under_way.items() if measured.done()]:
            space = self.under_way.pop(name).result()
            if space:
                self.spaces[name] = space
            else:
                self.spaces.pop(name, None)
