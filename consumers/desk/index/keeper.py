"""The keeper of the index's file, which follows the editorial log."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path

import structlog

from consumers.desk.index.file import IndexFile, open_index
from consumers.desk.index.follow import IndexFollower
from consumers.desk.sqlite_copy.file import read_position
from consumers.desk.sqlite_copy.keeper import CopyKeeper
from consumers.desk.sqlite_copy.readers import ReaderPool
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from contracts import subjects
from contracts.desk.deadlines import Deadlines
from contracts.errors import Unavailable
from producers.bus import BusError

log = structlog.get_logger()
_WAIT_S, _POLL_S = 1.0, 0.02


class IndexKeeper(CopyKeeper[IndexFile]):
    """Knows by `lag` how many messages of the log were not applied when that was seen last."""

    idle_s = 0.2

    def __init__(self, editorial_log: EditorialLog, path: Path, deadlines: Deadlines) -> None:
        super().__init__(path)
        self.log, self.deadlines = editorial_log, deadlines
        self.lag = 0

    def open_file(self) -> IndexFile:
        return open_index(self.path, self.deadlines)

    def follow(self, file: IndexFile, writer: Executor) -> Callable[[], Awaitable[None]]:
        follower = IndexFollower(self.log, file, writer)
        return lambda: self._advance(follower)

    async def _advance(self, follower: IndexFollower) -> None:
        try:
            await follower.advance()
        finally:
            self.lag = max(follower.last_seq - follower.position.seq, 0)

    async def is_written(self, readers: ReaderPool) -> bool:
        """Whether the process that writes applies what the log holds now, within a second."""
        info = await self.log.bus.stream_info(subjects.EDITORIAL.name)
        last_seq, until = int(info["state"]["last_seq"]), time.monotonic() + _WAIT_S
        while time.monotonic() < until:
            self.lag = max(last_seq - (await readers.read(read_position)).seq, 0)
            if not self.lag:
                return True
            await asyncio.sleep(_POLL_S)
        return False

    def log_trouble(self, trouble: BusError | sqlite3.Error | OSError) -> None:
        if isinstance(trouble, BusError):
            log.warning("desk_index_interrupted", reason=str(trouble))
        else:
            log.error("desk_index_file_trouble", reason=str(trouble))

    def unreadable(self, trouble: Exception | None) -> Unavailable:
        if trouble:
            log.error("desk_index_unreadable", reason=str(trouble))
        return Unavailable(field_error("index", "desk_index_unreadable"))
