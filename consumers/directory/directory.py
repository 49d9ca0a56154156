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
from consumers.directory.errors import DirectoryFileGone
from consumers.directory.follow import DirectoryFollower, PlainUntil
from consumers.directory.store import open_store
from consumers.recipients import Contact
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.publication import Publication
from producers.bus import Bus

log = structlog.get_logger()
MAX_AGE_S = 10.0
_MAX_CLOCK_LEAD_S = 1.0
_POLL_S = 0.005
_LOCK_RETRY_S = 1.0
READY_TIMEOUT_S = 5.0
_RETRY_AFTER_S = 0.5


class Directory:
    """Looks up subscribers. Keep `run` running beside it.

    *plain_until*: the time until which a record may be plain; None for no limit.
    """

    def __init__(
        self,
        bus: Bus,
        path: Path,
        clock: Callable[[], float] = time.time,
        plain_until: PlainUntil | None = None,
    ) -> None:
        self.plain_until = plain_until
        self.bus = bus
        self.path = path
        self.clock = clock
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)
        self.store = open_store(path)
        self.preferences = PreferenceIndex(self.store)

    def close(self) -> None:
        self.store.close()

    async def run(self) -> None:
        """Follow the bucket until cancelled. Raises DirectoryFileGone, in a group."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch_file())
            await self.follow_bucket()

    async def watch_file(self) -> None:
        """Raise DirectoryFileGone when the file is lost: an empty one must not be planned from."""
        while True:
            if not self.store.is_current_file:
                log.error("directory_file_gone", file=self.path.name)
                raise DirectoryFileGone(self.path.name)
            await asyncio.sleep(_LOCK_RETRY_S)

    async def follow_bucket(self) -> None:
        """Write the file whenever no other process of this machine does."""
        while True:
            with try_lock(self.path.with_suffix(".lock")) as is_locked:
                if is_locked:
                    log.info("directory_followed", seq=self.store.seq)
                    await self.follower().run()
            await asyncio.sleep(_LOCK_RETRY_S)

    def follower(self) -> DirectoryFollower:
        return DirectoryFollower(self.bus, self.store, self.clock, self.plain_until)

    def is_fresh(self) -> bool:
        """Whether all changes older than 10 s are applied, erasures above all."""
        age_s = self.clock() - self.store.confirmed_at
        return -_MAX_CLOCK_LEAD_S <= age_s <= MAX_AGE_S

    async def ready(self) -> None:
        """Wait until all earlier subscriptions are applied. Raises RetryLater or BusError."""
        seq = await self.bucket.last_seq()
        until = time.monotonic() + READY_TIMEOUT_S
        while self.store.seq < seq:
            if time.monotonic() >= until:
                raise RetryLater(_RETRY_AFTER_S, "the directory is behind")
            await asyncio.sleep(_POLL_S)  # the writer may be another process

    def count(self, publication: Publication) -> int:
        return self.preferences.count(publication)

    def ids_after(self, publication: Publication, last: str, limit: int) -> list[str]:
        """Return the next *limit* subscriber ids of *publication* after *last*, sorted."""
        return self.preferences.ids_after(publication, last, limit)

    def digest_audience(self, query: DigestQuery) -> DigestAudience:
        return DigestAudience(self.store, query)

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        """Look up contacts; a missing one has left. Raises RetryLater when not fresh."""
        if not self.is_fresh():
            raise RetryLater(_RETRY_AFTER_S, "the directory is not fresh")
        return self.store.contacts(ids, self.clock())


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Try to hold the lock at *path*; the end of the block or of the process releases it."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
