"""Keep the file of a copy: one process of a machine writes it, all others wait for its writes."""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from consumers.desk.sqlite_copy.file import Position, StreamCopy
from consumers.desk.sqlite_copy.readers import ReaderPool
from consumers.desk.sqlite_copy.rounds import Rounds
from consumers.directory.directory import try_lock
from contracts.errors import Unavailable
from producers.bus import Bus, BusError

C = TypeVar("C", bound=StreamCopy)
T = TypeVar("T")
_PAUSE_S = 1.0


class CopyKeeper(ABC, Generic[C]):
    """Keeps the file at *path* fresh, and reads it, while `run` runs beside it."""

    idle_s: ClassVar[float]
    """The longest pause between two rounds of following."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers: ReaderPool | None = None
        self._rounds = Rounds()

    @abstractmethod
    def open_file(self) -> C:
        """Open the file to write it. Raises sqlite3.Error, OSError."""

    @abstractmethod
    def follow(self, file: C, writer: Executor) -> Callable[[], Awaitable[None]]:
        """The step that applies all that the stream holds, in the thread of *writer*."""

    async def is_written(self, _: ReaderPool) -> bool:
        """Whether the process that writes has applied the stream, where that can be told."""
        return True

    @abstractmethod
    def log_trouble(self, trouble: BusError | sqlite3.Error | OSError) -> None:
        """Log the reason for a pause in following."""

    @abstractmethod
    def unreadable(self, trouble: Exception | None) -> Unavailable:
        """The error for readers, which is logged; without *trouble*, the copy does not run."""

    # --- reading

    async def next_end(self) -> bool:
        """Wait a moment for the messages that are stored by now; whether they are applied."""
        return await self._rounds.next_end()

    async def read(self, call: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of *call*, from a thread. Raises Unavailable when the file can't be read."""
        if self._readers is None:
            raise self.unreadable(None)
        try:
            return await self._readers.read(call)
        except (sqlite3.Error, OSError) as trouble:
            raise self.unreadable(trouble) from trouble

    # --- following

    async def run(self) -> None:
        """Follow the stream until cancelled, over outages of the bus and of the file."""
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
            except (BusError, sqlite3.Error, OSError) as trouble:
                self.log_trouble(trouble)
                await asyncio.sleep(_PAUSE_S)

    async def _write_or_wait(self, readers: ReaderPool) -> None:
        """Write while no other process does, else wait for its writes."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with try_lock(self.path.with_suffix(".lock")) as is_writer:
            if is_writer:
                await self._write()
        if not is_writer:
            await self._rounds.run(lambda: self.is_written(readers))
            await self._rounds.wait_for_request(self.idle_s)

    async def _write(self) -> None:
        """Write the file while it is there; a damaged one is made anew."""
        with ThreadPoolExecutor(1, "desk-copy-writer") as writer:
            opening = writer.submit(self.open_file)
            try:
                file = await asyncio.wrap_future(opening)
                step = self.follow(file, writer)
                while file.is_current:
                    await self._rounds.run(lambda: _done(step))
                    await self._rounds.wait_for_request(self.idle_s)
            finally:
                writer.submit(_close_opened, opening)  # behind what it writes


async def is_same_stream(bus: Bus, stream: str, created: str, position: Position) -> bool:
    """Whether a stream, made at *created*, still has the last message that was applied."""
    if created != position.stream:
        return False
    if not position.seq:
        return True
    last = await bus.get_message(stream, position.seq)
    return last is not None and last.time.isoformat() == position.at


async def _done(step: Callable[[], Awaitable[None]]) -> bool:
    await step()
    return True


def _close_opened(opening: Future[C]) -> None:
    """Close the opened file, also where the task that wanted it was cancelled meanwhile."""
    if not (opening.cancelled() or opening.exception()):
        opening.result().close()
