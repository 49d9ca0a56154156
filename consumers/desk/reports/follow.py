"""Apply the stream of facts to the file of rows, in order."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog

from consumers.desk.reports.rows_file import RowsFile
from consumers.desk.sqlite_copy.file import Position
from consumers.desk.sqlite_copy.keeper import is_same_stream
from consumers.facts.store import FactStore
from contracts import subjects
from producers.bus.messages import chunked

log = structlog.get_logger()
T = TypeVar("T")
_STREAM = subjects.FACTS.name
_CHUNK = 1024
_CHECK_S = 10.0


@dataclass
class RowsFollower:
    """The file's only writer. Rows are made and written in the thread of *writer*."""

    store: FactStore
    file: RowsFile
    writer: Executor
    position: Position = field(default_factory=Position)
    _check_at: float = 0.0

    async def advance(self) -> None:
        """Apply all that the stream holds now. Raises BusError, sqlite3.Error."""
        if time.monotonic() >= self._check_at:
            await self._check_stream()
            self._check_at = time.monotonic() + _CHECK_S
        scan = self.store.scan(start=self.position.seq + 1)
        async for chunk in chunked(scan, _CHUNK):
            message = await self.store.bus.get_message(_STREAM, chunk[-1].seq)
            at = message.time.isoformat() if message else ""
            position = Position(chunk[-1].seq, at, self.position.stream)
            await self._in_writer(partial(self.file.apply, chunk, position))
            self.position = position

    async def _check_stream(self) -> None:
        """Begin anew if the stream is not the one that the file is of."""
        info = await self.store.bus.stream_info(_STREAM)
        self.position = await self._in_writer(lambda: self.file.position)
        created, last = str(info["created"]), int(info["state"]["last_seq"])
        if not await is_same_stream(self.store.bus, _STREAM, created, self.position):
            await self._in_writer(lambda: self.file.reset(created))
            self.position = Position(stream=created)
            log.info("desk_reports_begun", messages=last)

    async def _in_writer(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.writer, call)
