"""Apply every change of bucket `subscribers` to the directory's file, in order."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any

import structlog

from consumers.chunks import next_chunk
from consumers.directory.audience import preference_key
from consumers.directory.store import DirectoryRow, DirectoryStore
from contracts import subjects
from contracts.base.crash_points import crash_point
from producers.bus import Bus, BusError, Change
from producers.encryption import is_sealed

log = structlog.get_logger()
SUBSCRIBER_PREFIX = "s."
CHUNK_SIZE = 64
_QUEUE_SIZE = 2000
_CONFIRM_S = 2.0
_LATE_S = 2 * _CONFIRM_S
"""The bucket's old changes are in time before then; later is a lag, until one is in time."""
PAUSE_S = 1.0
PlainUntil = Callable[[], Awaitable[datetime]]


class DirectoryFollower:
    """The machine's only writer while `run` runs."""

    def __init__(
        self,
        bus: Bus,
        store: DirectoryStore,
        clock: Callable[[], float],
        plain_until: PlainUntil | None = None,
    ) -> None:
        self.bus = bus
        self.plain_until = plain_until
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)
        self.store = store
        self.clock = clock
        self.pending_check: tuple[int, float] | None = None
        self.has_erasures = False

    async def run(self) -> None:
        """Follow until cancelled, over outages of the bus and of the file (disk full, locked)."""
        while True:
            try:
                await self.follow()
            except* BusError as trouble:
                log.warning("directory_interrupted", reason=str(trouble.exceptions[0]))
            except* sqlite3.OperationalError as trouble:
                log.error("directory_file_trouble", reason=str(trouble.exceptions[0]))
            await asyncio.sleep(PAUSE_S)

    async def follow(self) -> None:
        await self.check_bucket()
        self.pending_check = None
        changes: asyncio.Queue[Change] = asyncio.Queue(_QUEUE_SIZE)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.read_changes(changes))
            group.create_task(self.apply_changes(changes))
            await self.confirm_periodically()

    async def check_bucket(self) -> None:
        """Reset the file if the bucket was created anew since."""
        info = await self.bus.stream_info(self.bucket.stream)
        if info["created"] != self.store.bucket or info["state"]["last_seq"] < self.store.seq:
            self.store.reset(info["created"])
            log.info("directory_begun", seq=info["state"]["last_seq"])

    async def read_changes(self, changes: asyncio.Queue[Change]) -> None:
        async for change in self.bucket.watch(self.store.seq + 1):
            await changes.put(change)
        raise BusError("the watch ended")

    async def apply_changes(self, changes: asyncio.Queue[Change]) -> None:
        while True:
            chunk = await next_chunk(changes, CHUNK_SIZE)
            own = [change for change in chunk if change.key.startswith(SUBSCRIBER_PREFIX)]
            genuine = [await self.without_later_plain(change) for change in own]
            rows = list(map(parse_change, await self.bucket.opened(genuine)))
            crash_point("directory.read")
            self.store.apply(rows, chunk[-1].seq)
            crash_point("directory.applied")
            self.has_erasures |= any(row.preferences is None for row in rows)
            self.confirm_if_applied()
            await asyncio.sleep(0)  # let other tasks run between two chunks

    async def without_later_plain(self, change: Change) -> Change:
        """A plain record that is younger than the seals has another writer: it is unreadable."""
        is_plain = change.data and not is_sealed(change.data)
        if not (is_plain and change.message and self.plain_until):
            return change
        return (
            change if change.message.time <= await self.plain_until() else change._replace(data=b"")
        )

    async def confirm_periodically(self) -> None:
        """Ask the bucket's last sequence every 2 s."""
        while True:
            if self.pending_check is None:
                asked_at = self.clock()
                self.pending_check = (await self.bucket.last_seq(), asked_at)
            self.confirm_if_applied()
            if self.has_erasures:
                self.store.truncate_wal()
                self.has_erasures = False
            await asyncio.sleep(_CONFIRM_S)

    def confirm_if_applied(self) -> None:
        """Record the time of the last check once its sequence is applied."""
        if self.pending_check and self.store.seq >= self.pending_check[0]:
            asked_at = self.pending_check[1]
            is_late = self.clock() - asked_at > _LATE_S
            self.store.confirm(asked_at, is_late=is_late)
            self.pending_check = None


def parse_change(change: Change) -> DirectoryRow:
    """Convert a change to a row; an inactive subscriber's row has no preferences."""
    id = change.key.removeprefix(SUBSCRIBER_PREFIX)
    if change.data is None:
        return DirectoryRow(id)
    try:
        record = json.loads(change.data)
        preferences, paused_until = preference_key(record), _to_epoch_s(record.get("paused_until"))
        contact = (id, _checked_text(record["email"]), _checked_text(record["name"]))
        times = (paused_until, *_frequency_times(record))
        active = record["active"] and DirectoryRow(*contact, preferences, *times)
    except (ValueError, KeyError, TypeError, AttributeError):
        log.error("subscriber_unreadable", recipient=id, seq=change.seq)
        return DirectoryRow(id)
    return active or DirectoryRow(id)


def _checked_text(value: object) -> str:
    """*value*, if the file can hold it. Raises TypeError, or ValueError for half a character."""
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value


def _frequency_times(record: dict[str, Any]) -> Iterator[float]:
    """Yield when the frequency changed, and when a daily and a weekly one last ended."""
    since, before = record.get("frequency_since"), record.get("frequency_before")
    ended = record.get("frequency_ended") or {before: since}
    yield from map(_to_epoch_s, (since, ended.get("daily"), ended.get("weekly")))


def _to_epoch_s(text: str | None) -> float:
    """Convert an ISO time to epoch seconds; 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0
