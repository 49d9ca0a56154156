"""The index of the desk's items: a copy of the editorial log for lists and search.

It follows the log, and its file may be deleted at any time. One process of a machine writes the
file, all others read it.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import structlog

from consumers.desk.index import queries
from consumers.desk.index.file import IndexFile, open_index
from consumers.desk.index.follow import IndexFollower
from consumers.desk.index.near import find_near
from consumers.desk.index.sketches import sketch_of
from consumers.desk.sqlite_copy.file import read_position
from consumers.desk.sqlite_copy.readers import ReaderPool
from consumers.desk.sqlite_copy.rounds import Rounds
from consumers.directory.directory import try_lock
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from contracts import subjects
from contracts.base.times import Clock
from contracts.desk.deadlines import Deadlines, default_deadlines
from contracts.desk.index import ItemFilter, ItemRow, NearItem, NearWanted, Page
from contracts.editorial import Status
from contracts.errors import Unavailable
from producers.bus import BusError

log = structlog.get_logger()
T = TypeVar("T")
_STREAM = subjects.EDITORIAL.name
_PAUSE_S, _IDLE_S = 1.0, 0.2
_POLL_S = 0.02


class ItemIndex:
    """Lists and finds items while `run` runs beside it, in threads of its own."""

    def __init__(
        self, editorial_log: EditorialLog, path: Path, clock: Clock,
        deadlines: Deadlines | None = None,
    ) -> None:  # fmt: skip
        self.log, self.path, self.clock = editorial_log, path, clock
        self.deadlines = deadlines or default_deadlines()
        self.lag = 0
        """How many messages of the log were not applied when that was known last."""
        self._readers: ReaderPool | None = None
        self._rounds = Rounds()

    # --- reading

    async def find(self, wanted: ItemFilter) -> Page:
        """The items of *wanted*, with all that was stored before the call, if that comes in time.

        Raises Unavailable when the file can't be read.
        """
        is_current = await self._rounds.next_end()
        page = await self._read(lambda db: queries.find_page(db, wanted, self._now_us()))
        return page._replace(is_current=is_current)

    async def get(self, content_id: str) -> ItemRow | None:
        """The item's row. Raises as `find`."""
        await self._rounds.next_end()
        return await self._read(lambda db: queries.find_item(db, content_id, self._now_us()))

    async def count(self, wanted: ItemFilter) -> Mapping[Status, int]:
        """How many items *wanted* finds, by their present status. Raises as `find`."""
        await self._rounds.next_end()
        return await self._read(lambda db: queries.count_statuses(db, wanted, self._now_us()))

    async def near(self, data: Mapping[str, Any], wanted: NearWanted) -> Sequence[NearItem]:
        """The items most like a text; acts of the last moment may be missing. Raises as `find`."""
        if not (sketch := await asyncio.to_thread(sketch_of, data)):
            return ()
        return await self._read(lambda db: find_near(db, sketch, wanted, self._now_us()))

    def _now_us(self) -> int:
        return round(self.clock() * 1_000_000)

    async def _read(self, call: Callable[[sqlite3.Connection], T]) -> T:
        if self._readers is None:
            raise Unavailable(field_error("index", "desk_index_unreadable"))
        try:
            return await self._readers.read(call)
        except (sqlite3.Error, OSError) as trouble:
            log.error("desk_index_unreadable", reason=str(trouble))
            raise Unavailable(field_error("index", "desk_index_unreadable")) from trouble

    # --- following

    async def run(self) -> None:
        """Follow the log until cancelled, over outages of the bus and of the file."""
        with closing(ReaderPool(self.path)) as readers:
            self._readers = readers
            try:
                await self._follow(readers)
            finally:
                self._readers = None

    async def _follow(self, readers: ReaderPool) -> None:
        while True:
            try:
                await self._write_or_wait(readers)
                continue
            except BusError as trouble:
                log.warning("desk_index_interrupted", reason=str(trouble))
            except (sqlite3.Error, OSError) as trouble:
                log.error("desk_index_file_trouble", reason=str(trouble))
            await asyncio.sleep(_PAUSE_S)

    async def _write_or_wait(self, readers: ReaderPool) -> None:
        """Write while no other process does, else wait for what it writes."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with try_lock(self.path.with_suffix(".lock")) as is_writer:
            if is_writer:
                await self._write()
        if not is_writer:
            await self._rounds.run(lambda: self._wait_for_writer(readers))
            await self._rounds.wait_for_request(_IDLE_S)

    async def _write(self) -> None:
        """Write the file while it is there; a damaged one is made anew."""
        with ThreadPoolExecutor(1, "desk-index-writer") as writer:
            opening = writer.submit(open_index, self.path, self.deadlines)
            try:
                file = await asyncio.wrap_future(opening)
                follower = IndexFollower(self.log, file, writer)
                while file.is_current:
                    await self._rounds.run(lambda: self._advance(follower))
                    await self._rounds.wait_for_request(_IDLE_S)
            finally:
                writer.submit(_close_opened, opening)  # behind what it writes

    async def _advance(self, follower: IndexFollower) -> bool:
        try:
            await follower.advance()
        finally:
            self.lag = max(follower.last_seq - follower.position.seq, 0)
        return True

    async def _wait_for_writer(self, readers: ReaderPool) -> bool:
        """Whether the process that writes applies what the log holds now, within a pause."""
        info = await self.log.bus.stream_info(_STREAM)
        last_seq, until = int(info["state"]["last_seq"]), time.monotonic() + _PAUSE_S
        while time.monotonic() < until:
            self.lag = max(last_seq - (await readers.read(read_position)).seq, 0)
            if not self.lag:
                return True
            await asyncio.sleep(_POLL_S)
        return False


def _close_opened(opening: Future[IndexFile]) -> None:
    """Close the opened file, also where the task that wanted it was cancelled meanwhile."""
    if not (opening.cancelled() or opening.exception()):
        opening.result().close()
