"""The subscriber directory: an SQLite projection of bucket `subscribers`, one file per machine.

The bucket is the truth. The process that holds the file's lock writes it; all others read, and
one of them takes over when the writer dies."""

import asyncio
import fcntl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from consumers.directory.audience import PreferenceIndex
from consumers.directory.digest_audience import DigestAudience, DigestQuery
from consumers.directory.follow import DirectoryFollower
from consumers.directory.store import open_store
from consumers.recipients import Contact
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.publication import Publication
from producers.bus import Bus

log = structlog.get_logger()
MAX_AGE_S = 10.0
MAX_CLOCK_LEAD_S = 1.0
POLL_S = 0.005
LOCK_RETRY_S = 1.0
READY_TIMEOUT_S = 5.0
RETRY_AFTER_S = 0.5


class DirectoryFileGone(Exception):
    """The directory's file was deleted or replaced while it was open."""


class Directory:
    """Looks people up. Keep `run` running beside it."""

    def __init__(self, bus: Bus, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.bus = bus
        self.path = path
        self.clock = clock
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)
        self.store = open_store(path)
        self.preferences = PreferenceIndex(self.store)

    def close(self) -> None:
        self.store.close()

    async def run(self) -> None:
        """Follow the bucket until cancelled. Raises FileGone, in a group, when the file is lost."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch_file())
            group.create_task(self.follow_bucket())

    async def watch_file(self) -> None:
        """A list that is being planned may not go on in an emptier file: the process has to end."""
        while True:
            if not self.store.is_current_file:
                log.error("directory_file_gone", file=self.path.name)
                raise DirectoryFileGone(self.path.name)
            await asyncio.sleep(LOCK_RETRY_S)

    async def follow_bucket(self) -> None:
        """Write the file whenever nobody else on this machine does."""
        while True:
            with try_lock(self.path.with_suffix(".lock")) as mine:
                if mine:
                    log.info("directory_followed", seq=self.applied_seq())
                    await DirectoryFollower(self.bus, self.store, self.clock).run()
            await asyncio.sleep(LOCK_RETRY_S)

    def applied_seq(self) -> int:
        """The bucket's sequence that the file has reached."""
        return self.store.seq

    def is_fresh(self) -> bool:
        """Whether everything that was so 10 s ago is known here; an erasure, above all."""
        age_s = self.clock() - self.store.confirmed_at
        return -MAX_CLOCK_LEAD_S <= age_s <= MAX_AGE_S

    async def wait_until_applied(self, seq: int, timeout_s: float) -> bool:
        """Wait until the file has reached *seq*; False when it did not in time."""
        until = time.monotonic() + timeout_s
        while self.applied_seq() < seq:
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(POLL_S)  # another process may be the one that writes
        return True

    async def ready(self) -> None:
        """Return once everybody is known who subscribed before. Raises Later, or BusError."""
        if not await self.wait_until_applied(await self.bucket.last_seq(), READY_TIMEOUT_S):
            raise RetryLater(RETRY_AFTER_S, "the directory is behind")

    def count(self, publication: Publication) -> int:
        """How many people *publication* is for by mail."""
        return self.preferences.count(publication)

    def ids_after(self, publication: Publication, last: str, limit: int) -> list[str]:
        """Who *publication* is for by mail: the next *limit* ids greater than *last*, sorted."""
        return self.preferences.ids_after(publication, last, limit)

    def digest_audience(self, query: DigestQuery) -> DigestAudience:
        """Whom a digest is for, and what of it."""
        return DigestAudience(self.store, query)

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        """Who is not in the answer is gone, or has paused. Raises Later when that may not be so."""
        if not self.is_fresh():
            raise RetryLater(RETRY_AFTER_S, "the directory is not fresh")
        return self.store.contacts(ids, self.clock())


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Whether this process holds the lock at *path* now; let go at the end, or by dying."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
