"""Base of the portal's SQLite files: one connection with explicit transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


class Database:
    """One connection, in autocommit mode outside `transaction`."""

    _db: sqlite3.Connection

    def close(self) -> None:
        self._db.close()

    def checkpoint(self) -> None:
        """Checkpoint the WAL without blocking readers."""
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end; roll back on an exception."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
