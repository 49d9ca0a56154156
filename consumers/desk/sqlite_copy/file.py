"""The file of a copy: its tables, and up to which message of the stream they are told."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

_BUSY_TIMEOUT_S = 5.0
_WAL_BYTES = 16 << 20
_SETTINGS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "secure_delete = ON",
    f"journal_size_limit = {_WAL_BYTES}",
)
_DAMAGE = sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB


class Position(NamedTuple):
    """A message of a stream, up to which its copy is told.

    `at` (when the message was stored) and `stream` (when the stream was created) tell it from one
    of another stream.
    """

    seq: int = 0
    at: str = ""
    stream: str = ""


class StreamCopy:
    """The connection of the only writer; its table `meta` has the format and the position."""

    schema: ClassVar[Path]
    tables: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path, format: str) -> None:
        """Open the file, made anew where it has another format. Raises sqlite3.Error, OSError."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._format, self._path, self._inode = format, path, path.stat().st_ino
        self.db = connect(path)
        try:
            for setting in _SETTINGS:
                self.db.execute(f"PRAGMA {setting}")
            if not has_format(self.db, format):
                self.reset("")
        except sqlite3.Error:
            self.db.close()
            raise

    def close(self) -> None:
        self.db.close()

    @property
    def is_current(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self._path.exists() and self._path.stat().st_ino == self._inode

    @property
    def position(self) -> Position:
        return read_position(self.db)

    def is_sound(self) -> bool:
        """Whether SQLite finds no damage; closed behind damage that it can't read."""
        try:
            with closing(self.db.execute("PRAGMA quick_check(1)")) as found:
                return bool(found.fetchone() == ("ok",))
        except sqlite3.Error:
            self.close()
            raise

    def reset(self, stream: str) -> None:
        """Forget every row: the stream is another one, created at *stream*."""
        with self.transaction():
            for table in self.tables:
                self.db.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in self.schema.read_text("utf-8").split(";\n"):
                self.db.execute(statement)
            self.db.execute("INSERT INTO meta VALUES ('format', ?)", (self._format,))
            self.note(Position(stream=stream))

    def note(self, position: Position) -> None:
        """Move on to *position*, in the transaction of the rows that are told up to there."""
        values = position._asdict().items()
        self.db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        finally:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")


C = TypeVar("C", bound=StreamCopy)


def open_copy(path: Path, make: Callable[[], C]) -> C:
    """Open the file to write it; a damaged one is deleted, as the stream makes it anew."""
    try:
        file = make()
        if file.is_sound():
            return file
        file.close()
    except sqlite3.DatabaseError as broken:
        if broken.sqlite_errorcode & 0xFF not in _DAMAGE:
            raise
    delete_copy(path)
    return make()


def delete_copy(path: Path) -> None:
    """Delete the file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads. Raises sqlite3.Error."""
    return connect(path, "mode=ro")


def connect(path: Path, query: str = "mode=rw") -> sqlite3.Connection:
    """A connection to a file that is there. Raises sqlite3.Error."""
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?{query}",
        timeout=_BUSY_TIMEOUT_S,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def has_format(db: sqlite3.Connection, format: str) -> bool:
    """Whether the file has tables of this format."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        return False
    row = db.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    return bool(row) and row[0] == format


def read_position(db: sqlite3.Connection) -> Position:
    """The message up to which the copy is told."""
    found = dict(db.execute("SELECT name, value FROM meta"))
    return Position(int(found.get("seq", 0)), found.get("at", ""), found.get("stream", ""))
