"""Reads of one bucket by many callers at once, with one request for all that wait."""

import asyncio
from collections.abc import Mapping

from producers.bus.connection import READ_PATIENCE_S
from producers.bus.errors import BusError
from producers.bus.kv import Bucket, Value

MOST_ALONE = 16
"""So many read alone at once: a shared read costs both sides as much as that."""
GROUP_WAIT_S = 0.5
"""How long callers wait for a shared read; then each reads alone, as if there were no groups."""


class GroupedReads:
    """`Bucket.get` for many callers: a few read alone, those who come meanwhile share a read.

    A read begins after all its callers have asked, so it reflects every write that was acknowledged
    before.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._under_way = 0
        self._next: _Group | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: str, *, patience_s: float = READ_PATIENCE_S) -> Value | None:
        """As `Bucket.get`."""
        if self._under_way >= MOST_ALONE or self._next is not None:
            return await self._get_with_others(key, patience_s)
        return await self._get_alone(key, patience_s)

    async def _get_alone(self, key: str, patience_s: float) -> Value | None:
        self._under_way += 1
        try:
            return await self.bucket.get(key, patience_s=patience_s)
        finally:
            self._end_one()

    async def _get_with_others(self, key: str, patience_s: float) -> Value | None:
        """A value of the next shared read; read alone if that fails, or to raise a refusal."""
        if self._next is None or self._next.values.done():
            self._next = _Group()
        self._next.add(key)
        found = await asyncio.shield(self._next.values)
        if found is None or self.bucket.is_refused(key):
            return await self._get_alone(key, patience_s)
        return found.get(key)

    def _end_one(self) -> None:
        """After the last read under way, read what callers wait for, or let a few read alone."""
        self._under_way -= 1
        if self._under_way or self._next is None:
            return
        group, self._next = self._next, None
        if group.callers < MOST_ALONE:
            group.end(None)
        elif not group.values.done():
            self._under_way += 1
            task = asyncio.create_task(self._read(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _read(self, group: "_Group") -> None:
        try:
            group.end(await self.bucket.get_many(list(group.keys)))
        except BusError:  # each caller meets it alone
            group.end(None)
        finally:
            self._end_one()


class _Group:
    """The keys of a shared read, and its values; None for values that did not come in time."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.keys: set[str] = set()
        self.callers = 0
        self.values: asyncio.Future[Mapping[str, Value] | None] = loop.create_future()
        self._limit = loop.call_later(GROUP_WAIT_S, self.end, None)

    def add(self, key: str) -> None:
        self.keys.add(key)
        self.callers += 1

    def end(self, values: Mapping[str, Value] | None) -> None:
        self._limit.cancel()
        if not self.values.done():
            self.values.set_result(values)
