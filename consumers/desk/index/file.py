"""The index's SQLite file: rows of items, and up to which message of the log they are told."""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from consumers.desk.index.projection import (
    ItemHistory,
    JoinedText,
    ListedText,
    barred_people,
    day_of,
    deadline_of,
    facets_of,
    microseconds,
    order_of,
    search_words,
)
from consumers.desk.index.sketches import Sketch, keys_of, pack, sketch_of, unpack
from contracts.delivery import ChannelName
from contracts.desk.deadlines import Deadlines, step_of

_SCHEMA_VERSION = 6
"""To be raised when an item is indexed differently; the file is then made anew."""
_SCHEMA = Path(__file__).with_name("schema.sql")
_BUSY_TIMEOUT_S = 5.0
_FAST = 1
_WAL_BYTES = 16 << 20
_TABLES = ("item", "detail", "barred", "shingle", "meta", "words")
CHANNEL_BITS = {name.value: 1 << place for place, name in enumerate(ChannelName)}
_INSERT_ITEM = """
INSERT INTO item VALUES (
    :seq, :content_id, :status, :step, :unit, :topic, :lane, :language, :channels, :begins, :ends,
    :due, :day, :is_broken
)
"""
_FIND_OLD = """
SELECT seq, words, sketch, json_extract(facts, '$.hash') FROM item JOIN detail USING (seq)
WHERE content_id = ?
"""
_FORGET_WORDS = "INSERT INTO words (words, rowid, word) VALUES ('delete', ?, ?)"


class Position(NamedTuple):
    """A message of the log: up to there items are told.

    `at` and `stream` (when that was created) tell it from one of another log.
    """

    seq: int = 0
    at: str = ""
    stream: str = ""


class IndexFile:
    """One connection. Any number of processes and threads may read; one writes."""

    def __init__(self, path: Path, deadlines: Deadlines) -> None:
        """Open the file, made anew where it has another format. Raises sqlite3.Error, OSError."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self.deadlines, self._path, self._inode = deadlines, path, path.stat().st_ino
        self.db = connect(path)
        try:
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = NORMAL")
            self.db.execute("PRAGMA secure_delete = ON")
            self.db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            self._prepare()
        except sqlite3.Error:
            self.db.close()
            raise

    def close(self) -> None:
        self.db.close()

    def is_sound(self) -> bool:
        """Whether SQLite finds no damage; closed behind damage that it can't read."""
        try:
            with closing(self.db.execute("PRAGMA quick_check(1)")) as found:
                return bool(found.fetchone() == ("ok",))
        except sqlite3.Error:
            self.close()
            raise

    @property
    def is_current(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self._path.exists() and self._path.stat().st_ino == self._inode

    @property
    def position(self) -> Position:
        found = dict(self.db.execute("SELECT name, value FROM meta"))
        return Position(int(found.get("seq", 0)), found.get("at", ""), found.get("stream", ""))

    def apply(self, items: Iterable[ItemHistory], position: Position) -> None:
        """Replace the rows of *items* and move on to *position*, all or none."""
        with self._transaction():
            for item in items:
                self._insert(item, self._forget(item.content_id))
            self._note(position)

    def reset(self, stream: str) -> None:
        """Forget every row: the log is another one, created at *stream*."""
        with self._transaction():
            self._make_tables()
            self._note(Position(stream=stream))

    def known(self, content_ids: Iterable[str]) -> frozenset[str]:
        """Those of *content_ids* that have a row."""
        sql = "SELECT 1 FROM item WHERE content_id = ?"
        return frozenset(id for id in content_ids if self.db.execute(sql, (id,)).fetchone())

    def count(self) -> int:
        """The number of items."""
        return int(self.db.execute("SELECT count(*) FROM item").fetchone()[0])

    def _prepare(self) -> None:
        """Make the tables unless they are there in this version, with these deadlines."""
        with self._transaction():
            if not has_format(self.db, self.deadlines):
                self._make_tables()

    def _make_tables(self) -> None:
        for table in _TABLES:
            self.db.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _SCHEMA.read_text("utf-8").split(";\n"):
            self.db.execute(statement)
        self.db.execute("INSERT INTO meta VALUES ('format', ?)", (_format(self.deadlines),))

    def _note(self, position: Position) -> None:
        values = position._asdict().items()
        self.db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)

    def _forget(self, content_id: str) -> "_Sketched | None":
        """Delete the item's rows; returns the sketch of its text."""
        if not (found := self.db.execute(_FIND_OLD, (content_id,)).fetchone()):
            return None
        seq, words, packed, hash = found
        sketch = unpack(packed)
        keys = [(key, seq) for key in keys_of(sketch)]
        self.db.executemany("DELETE FROM shingle WHERE hash = ? AND seq = ?", keys)
        self.db.execute(_FORGET_WORDS, (seq, zlib.decompress(words).decode()))
        for table in ("item", "detail", "barred"):
            self.db.execute(f"DELETE FROM {table} WHERE seq = ?", (seq,))  # noqa: S608 -- ours
        return _Sketched(hash, sketch)

    def _insert(self, item: ItemHistory, before: "_Sketched | None") -> None:
        record = Record.of(item, self.deadlines)
        facts = json.dumps(record.facts, ensure_ascii=False, separators=(",", ":"))
        packed = zlib.compress(record.words.encode(), _FAST)
        self.db.execute(_INSERT_ITEM, record.columns)
        sketch = _sketch_of(item, before)
        detail = (item.seq, facts, packed, pack(sketch))
        self.db.execute("INSERT INTO detail VALUES (?, ?, ?, ?)", detail)
        keys = [(key, item.seq) for key in keys_of(sketch)]
        self.db.executemany("INSERT INTO shingle VALUES (?, ?)", keys)
        self.db.execute("INSERT INTO words (rowid, word) VALUES (?, ?)", (item.seq, record.words))
        barred = [(item.seq, name) for name in record.barred]
        self.db.executemany("INSERT INTO barred VALUES (?, ?)", barred)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        finally:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")


class Record(NamedTuple):
    """An item as the tables hold it. `barred`: the keys of those who may not do its next step."""

    columns: Mapping[str, Any]
    facts: Mapping[str, Any]
    words: str
    barred: frozenset[str]

    @classmethod
    def of(cls, item: ItemHistory, deadlines: Deadlines) -> "Record":
        listed = ListedText.of(item.state.text)
        return cls(
            _columns(item, listed, deadlines),
            _facts(item, listed, deadlines),
            " ".join((search_words(item), *facets_of(item, listed))),
            barred_people(item.state),
        )


class _Sketched(NamedTuple):
    """The hash of a text, and its sketch."""

    hash: str
    sketch: Sketch


def _sketch_of(item: ItemHistory, before: _Sketched | None) -> Sketch:
    """The sketch of the item's text, made anew where that is not the text of *before*."""
    if before and before.hash == item.state.hash:
        return before.sketch
    return sketch_of(item.state.text.data if item.state.text else {})


def _columns(item: ItemHistory, listed: ListedText, deadlines: Deadlines) -> dict[str, Any]:
    state = item.state
    return {
        "seq": item.seq,
        "content_id": item.content_id,
        "status": state.status.value if state.status else "",
        "step": step_of(state) or "",
        "unit": listed.unit,
        "topic": listed.topic,
        "lane": listed.lane,
        "language": listed.language,
        "channels": sum(CHANNEL_BITS.get(name, 0) for name in set(listed.channels)),
        "begins": microseconds(listed.not_before),
        "ends": microseconds(listed.expires_at),
        "due": order_of(item, deadline_of(item, listed, deadlines)),
        "day": microseconds(day_of(item, listed)),
        "is_broken": bool(item.broken),
    }


def _facts(item: ItemHistory, listed: ListedText, deadlines: Deadlines) -> dict[str, Any]:
    """What rows show and no filter asks for."""
    state, deadline = item.state, deadline_of(item, listed, deadlines)
    moments = {
        "created": item.created,
        "since": item.since,
        "changed": item.changed,
        "published_at": item.published_at,
        "first_shown_at": item.first_shown_at,
        "deadline": deadline.at,
    }
    return {
        "revision": state.revision,
        "out": state.out,
        "title": listed.title,
        "summary": listed.summary,
        "channels": listed.channels,
        "audiences": listed.audiences,
        "author": listed.author,
        "submitter": listed.submitter,
        "last_editor": state.last_editor,
        "unit_checker": state.unit_checker,
        "center_checker": state.center_checker,
        "missing_year": deadline.missing_year,
        "hash": state.hash,
        "broken": item.broken,
        **JoinedText.of(item)._asdict(),
        **{name: microseconds(moment) for name, moment in moments.items()},
    }


def moment(microseconds: int | None) -> datetime | None:
    """The time in UTC of microseconds since the epoch."""
    return None if microseconds is None else datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def open_index(path: Path, deadlines: Deadlines) -> IndexFile:
    """Open the file to write it; a damaged one is deleted, as the log makes it anew."""
    try:
        file = IndexFile(path, deadlines)
        if file.is_sound():
            return file
        file.close()
    except sqlite3.DatabaseError as broken:
        if broken.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
    delete_index(path)
    return IndexFile(path, deadlines)


def delete_index(path: Path) -> None:
    """Delete the file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads. Raises sqlite3.Error."""
    return connect(path, "mode=ro")


def read_seq(db: sqlite3.Connection) -> int:
    """The message of the log up to which items are told."""
    row = db.execute("SELECT value FROM meta WHERE name = 'seq'").fetchone()
    return int(row[0]) if row else 0


def connect(path: Path, query: str = "mode=rw") -> sqlite3.Connection:
    """A connection to a file that is there. Raises sqlite3.Error."""
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?{query}",
        timeout=_BUSY_TIMEOUT_S,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def has_format(db: sqlite3.Connection, deadlines: Deadlines) -> bool:
    """Whether the file has tables of this version, with these deadlines."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        return False
    row = db.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    return bool(row) and row[0] == _format(deadlines)


def _format(deadlines: Deadlines) -> str:
    return f"{_SCHEMA_VERSION} {sha256(deadlines.version.encode()).hexdigest()}"
