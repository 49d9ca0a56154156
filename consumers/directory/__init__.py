"""Who gets what: a projection of the subscribers on this machine, that every process reads.

The truth is the bucket `subscribers`. One process of a machine writes the file, whichever holds
its lock; the others read it and take over when that one dies.
"""

import asyncio
import fcntl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from consumers.addresses import Contact
from consumers.directory.audience import Tastes
from consumers.directory.follow import Follower
from consumers.directory.rhythm import Gathering, Rhythm
from consumers.directory.store import open_store
from consumers.settle import Later
from contracts import subjects
from contracts.publication import Publication
from producers.bus import Bus

log = structlog.get_logger()
FRESH_S = 10.0
AHEAD_S = 1.0
LOOK_S = 0.005
TURN_S = 1.0
READY_S = 5.0
LATER_S = 0.5


class FileGone(Exception):
    """The directory's file was deleted or replaced while it was open."""


class Directory:
    """Looks people up. Keep `run` running beside it."""

    def __init__(self, bus: Bus, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.bus = bus
        self.path = path
        self.clock = clock
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)
        self.store = open_store(path)
        self.tastes = Tastes(self.store)

    def close(self) -> None:
        self.store.close()

    async def run(self) -> None:
        """Follow the bucket until cancelled. Raises FileGone, in a group, when the file is lost."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch())
            group.create_task(self.write())

    async def watch(self) -> None:
        """A list that is being planned may not go on in an emptier file: the process has to end."""
        while True:
            if not self.store.stands:
                log.error("directory_file_gone", file=self.path.name)
                raise FileGone(self.path.name)
            await asyncio.sleep(TURN_S)

    async def write(self) -> None:
        """Write the file whenever nobody else on this machine does."""
        while True:
            with alone(self.path.with_suffix(".lock")) as mine:
                if mine:
                    log.info("directory_followed", seq=self.as_of())
                    await Follower(self.bus, self.store, self.clock).run()
            await asyncio.sleep(TURN_S)

    def as_of(self) -> int:
        """The bucket's sequence that the file has reached."""
        return self.store.seq

    def fresh(self) -> bool:
        """Whether everything that was so 10 s ago is known here; an erasure, above all."""
        age_s = self.clock() - self.store.confirmed
        return -AHEAD_S <= age_s <= FRESH_S

    async def caught_up(self, seq: int, timeout_s: float) -> bool:
        """Wait until the file has reached *seq*; False when it did not in time."""
        until = time.monotonic() + timeout_s
        while self.as_of() < seq:
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(LOOK_S)  # another process may be the one that writes
        return True

    async def ready(self) -> None:
        """Return once everybody is known who subscribed before. Raises Later, or BusError."""
        if not await self.caught_up(await self.bucket.last_seq(), READY_S):
            raise Later(LATER_S, "the directory is behind")

    def count(self, publication: Publication) -> int:
        """How many people *publication* is for by mail."""
        return self.tastes.count(publication)

    def ids_after(self, publication: Publication, last: str, limit: int) -> list[str]:
        """Who *publication* is for by mail: the next *limit* ids greater than *last*, sorted."""
        return self.tastes.ids_after(publication, last, limit)

    def gathered(self, gathering: Gathering) -> Rhythm:
        """Whom a digest is for, and what of it."""
        return Rhythm(self.store, gathering)

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        """Who is not in the answer is gone, or has paused. Raises Later when that may not be so."""
        if not self.fresh():
            raise Later(LATER_S, "the directory is not fresh")
        return self.store.contacts(ids, self.clock())


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether this process holds the lock at *path* now; let go at the end, or by dying."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
