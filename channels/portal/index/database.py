"""What the portal's SQLite files have in common: one connection, whole transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


class Database:
    """One connection, in autocommit mode but for `transaction`."""

    _db: sqlite3.Connection

    def close(self) -> None:
        self._db.close()

    def checkpoint(self) -> None:
        """Bring the file itself up to date, as far as nobody is reading an older state of it."""
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is raised inside undoes it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
