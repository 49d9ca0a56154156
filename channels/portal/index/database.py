"""Base of the portal's SQLite files: one connection with explicit transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Database:
    """One connection, in autocommit mode outside `transaction`."""

    def __init__(
        self, path: Path, *statements: str, query: str = "mode=rwc", timeout_s: float = 5.0
    ) -> None:
        """Open the file, run *statements*; *query*: URI parameters. Raises sqlite3.Error."""
        self._db = sqlite3.connect(
            f"{path.resolve().as_uri()}?{query}",
            timeout=timeout_s,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for statement in statements:
                self._db.execute(statement)
            self._path, self._inode = path, path.stat().st_ino
        except (sqlite3.Error, OSError):
            self._db.close()
            raise

    @property
    def is_current_file(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self._path.exists() and self._path.stat().st_ino == self._inode

    def close(self) -> None:
        self._db.close()

    def _value(self, sql: str, *parameters: str | int) -> str | int | None:
        """The first column of the first row; None without rows."""
        row: tuple[str | int, ...] | None = self._db.execute(sql, parameters).fetchone()
        return row[0] if row else None

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
