"""Presence: each process says on the bus that it runs, under a name that outlives its restarts.

Bucket `control`, key `process.<name>`: a process writes its own record and no other.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from contracts import subjects
from contracts.base.times import Clock
from contracts.records import Record
from producers.bus import Bus, BusError, records
from producers.bus.kv import Bucket

log = structlog.get_logger()
REPORT_S = 20.0
"""How often a process says that it runs."""
SILENT_S = 60.0
"""A process that said nothing for so long stands still, or was killed and not started again."""
_FORGOTTEN_S = 86400.0
_PREFIX = "process."


class ProcessRecord(Record):
    """One process, as it said at `at`, in seconds since the epoch."""

    name: str
    services: tuple[str, ...]
    version: str
    pid: int
    started: float
    at: float

    def is_silent(self, now: float) -> bool:
        return now - self.at > SILENT_S


@dataclass
class Presence:
    """Keeps the record of the process that *record* describes."""

    bus: Bus
    record: ProcessRecord
    clock: Clock

    async def renew(self) -> None:
        """Say that the process runs. Raises BusError."""
        said = self.record.model_copy(update={"at": self.clock()})
        await _control(self.bus).put(f"{_PREFIX}{said.name}", said.model_dump_json().encode())

    async def end(self) -> None:
        """Say no more: a process that was stopped is not silent."""
        try:
            await _control(self.bus).purge(f"{_PREFIX}{self.record.name}")
        except BusError as away:
            log.warning("process_not_forgotten", error=type(away).__name__)


@contextmanager
def named(folder: Path, machine: str, services: Sequence[str]) -> Iterator[str]:
    """The name of this process: its machine and services, numbered from the second of them on.

    The lock on its file in *folder* ends with the process, so the next one has the same name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = f"{machine}.{'_'.join(services)}"[:120]
    number, lock = 1, None
    while lock is None:
        name = first if number == 1 else f"{first}.{number}"
        lock, number = _lock(folder / name), number + 1
    try:
        yield name
    finally:
        os.close(lock)


async def load_processes(bus: Bus, now: float) -> list[ProcessRecord]:
    """The processes that ran within a day and were not stopped, by name. Raises BusError."""
    values = _control(bus).values(_PREFIX)
    found = {key: records.parse(ProcessRecord, value.data) async for key, value in values}
    known = [one for _, one in sorted(found.items()) if one]
    return [one for one in known if now - one.at < _FORGOTTEN_S]


async def count_services(bus: Bus, now: float) -> dict[str, int]:
    """The number of running processes by service; 0: all are silent. Raises BusError."""
    counts: dict[str, int] = {}
    for one in await load_processes(bus, now):
        for service in one.services:
            counts[service] = counts.get(service, 0) + (not one.is_silent(now))
    return counts


async def running_services(bus: Bus, now: float) -> frozenset[str]:
    """The services of all processes that said lately that they run. Raises BusError."""
    counts = await count_services(bus, now)
    return frozenset(service for service, running in counts.items() if running)


def _lock(path: Path) -> int | None:
    """The open file, locked; None while another process has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _control(bus: Bus) -> Bucket:
    return bus.bucket(subjects.CONTROL.name)
