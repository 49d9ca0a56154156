"""Threads that read the file of a copy, so that no query holds the event loop up."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from consumers.desk.sqlite_copy.file import open_reader

T = TypeVar("T")
_THREADS = 2


class _Reader(NamedTuple):
    """A connection of one thread, and the file that it reads."""

    db: sqlite3.Connection
    inode: int


class ReaderPool:
    """Runs queries; each thread has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(_THREADS, "desk-copy-reader")
        self._own = threading.local()
        self._open = set[sqlite3.Connection]()

    def close(self) -> None:
        self._threads.shutdown()
        for db in self._open:
            db.close()

    async def read(self, call: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of *call*. Raises sqlite3.Error, OSError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: call(self._connection()))

    def _connection(self) -> sqlite3.Connection:
        """The connection of this thread to the present file."""
        inode = self._path.stat().st_ino
        known: _Reader | None = getattr(self._own, "reader", None)
        if known and known.inode == inode:
            return known.db
        if known:
            self._open.discard(known.db)
            known.db.close()
        db = open_reader(self._path)
        self._open.add(db)
        self._own.reader = _Reader(db, inode)
        return db
