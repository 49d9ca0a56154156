"""Keys that many callers create at once, in one commit of the disk for many of them."""

import asyncio
from typing import NamedTuple

from producers.bus.atomic_batch import BatchEntry
from producers.bus.errors import BusError, InvalidKey
from producers.bus.kv import Bucket

MOST_ALONE = 16
"""So many writes are under way at once before others wait for a commit together."""
SMALLEST_BATCH = 16
"""An atomic batch costs nats-server as much as a dozen single writes, and the disk as four."""
_LARGEST_BATCH = 500
_COMMIT_TIMEOUT_S = 2.0


class _Waiting(NamedTuple):
    """A key to be created, and whether the commit of its group has created it."""

    data: bytes
    is_created: asyncio.Future[bool]


class GroupedCreates:
    """`Bucket.create` for many callers, of a bucket that is declared atomic.

    A few write alone, as ever. While more than that are under way, those who come wait for their
    end, and then are one atomic batch. After a batch that the server refuses, because a key exists
    or because it takes no batches, or leaves unanswered, each caller writes alone: none fails for
    another.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._alone = 0
        self._waiting: dict[str, _Waiting] = {}
        self._commit: asyncio.Task[None] | None = None

    async def create(self, key: str, data: bytes) -> None:
        """As `Bucket.create`; after a lost answer, RevisionConflict may be for the caller's own."""
        if self._is_busy() and await self._is_created_with_others(key, data):
            return
        self._alone += 1
        try:
            await self.bucket.create(key, data)
        finally:
            self._alone -= 1
            self._commit_next()

    def _is_busy(self) -> bool:
        return self._alone >= MOST_ALONE or bool(self._waiting) or self._commit is not None

    async def _is_created_with_others(self, key: str, data: bytes) -> bool:
        """Wait for the group's commit; False when it is for the caller to create the key."""
        if other := self._waiting.get(key):
            await asyncio.wait([other.is_created])
            return False
        is_created: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[key] = _Waiting(data, is_created)
        return await is_created

    def _commit_next(self) -> None:
        """Commit what waits, unless a commit is under way; a few write alone."""
        while self._waiting and self._commit is None:
            keys = list(self._waiting)[:_LARGEST_BATCH]
            group = {key: self._waiting.pop(key) for key in keys}
            wanted = {key: one for key, one in group.items() if not one.is_created.done()}
            if len(wanted) < SMALLEST_BATCH:
                _end(wanted, is_created=False)
            else:
                self._commit = asyncio.create_task(self._commit_group(wanted))

    async def _commit_group(self, group: dict[str, _Waiting]) -> None:
        is_created = False
        try:
            entries = [BatchEntry(key, one.data, 0) for key, one in group.items()]
            await self.bucket.batch(entries, timeout_s=_COMMIT_TIMEOUT_S)
            is_created = True
        except (BusError, InvalidKey):  # each caller meets it alone
            pass
        finally:
            self._commit = None
            _end(group, is_created=is_created)
            self._commit_next()


def _end(group: dict[str, _Waiting], *, is_created: bool) -> None:
    for one in group.values():
        if not one.is_created.done():
            one.is_created.set_result(is_created)
