"""The directory's SQLite file of active subscribers, rebuilt from the bus at any time.

Calls are short (a chunk of changes takes milliseconds), so they run in the caller's thread."""

import fcntl
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from consumers.recipients import Contact

log = structlog.get_logger()
_SCHEMA_VERSION = 3
_BUSY_TIMEOUT_S = 1.0
_DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SCHEMA = Path(__file__).parent / "schema.sql"
_UPSERT = """
    insert into person
        (id, address, name, taste, paused_until, changed, daily_until, weekly_until)
    values (?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (id) do update
    set address = excluded.address, name = excluded.name, taste = excluded.taste,
        paused_until = excluded.paused_until, changed = excluded.changed,
        daily_until = excluded.daily_until, weekly_until = excluded.weekly_until
"""


class DirectoryRow(NamedTuple):
    """A row to apply; `preferences` None removes the subscriber.

    Times in epoch seconds, 0 for never. Nothing new is sent before `paused_until`.
    `frequency_changed`: last change of the frequency; `daily_until`, `weekly_until`: last end of
    such a frequency.
    """

    id: str
    address: str = ""
    name: str = ""
    preferences: str | None = None
    paused_until: float = 0.0
    frequency_changed: float = 0.0
    daily_until: float = 0.0
    weekly_until: float = 0.0


class DirectoryStore:
    """One connection to the file. Any number of processes may read; one writes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self.db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        self._path, self._inode = path, path.stat().st_ino
        try:
            for pragma in ("journal_mode = wal", "synchronous = normal", "secure_delete = on"):
                self.db.execute(f"pragma {pragma}")
            self._prepare()
        except sqlite3.Error:
            self.db.close()
            raise

    @property
    def is_current_file(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def close(self) -> None:
        self.db.close()

    # --- writing

    def apply(self, rows: Iterable[DirectoryRow], seq: int) -> None:
        """Apply rows up to *seq* of the bucket, all or none."""
        with self._transaction():
            for row in rows:
                self._apply_row(row)
            self._write_meta("seq", seq)

    def confirm(self, at: float, *, is_late: bool = False) -> None:
        """Record that everything the bucket held at *at* is applied; *is_late*: long after it."""
        with self._transaction():
            self._write_meta("confirmed", at)
            if not is_late:
                self._write_meta("in_time", at)

    def reset(self, bucket: str) -> None:
        """Empty the file for another bucket; ids of preference sets are never used twice."""
        with self._transaction():
            for table in ("person", "taste", "meta"):
                self.db.execute(f"delete from {table}")  # noqa: S608 -- three fixed names
            self._write_meta("bucket", bucket)

    def truncate_wal(self) -> None:
        """Remove erased data from the write-ahead log, too."""
        self.db.execute("pragma wal_checkpoint(truncate)").fetchall()

    # --- reading

    @property
    def seq(self) -> int:
        """The bucket's sequence up to which changes are applied."""
        return int(self._read_meta("seq") or 0)

    @property
    def confirmed_at(self) -> float:
        """The time up to which the projection is complete; 0 for never."""
        return float(self._read_meta("confirmed") or 0)

    @property
    def bucket(self) -> str:
        """The creation time of the bucket that this file is a projection of."""
        return str(self._read_meta("bucket") or "")

    def contacts(self, ids: Sequence[str], now: float = math.inf) -> dict[str, Contact]:
        """Return the contacts of *ids*, with who is paused at *now*."""
        marks = ",".join("?" * len(ids))
        query = f"select id, address, name, paused_until > ? from person where id in ({marks})"  # noqa: S608
        rows = self.db.execute(query, [now, *ids])
        return {
            id: Contact(id, address, name, "", bool(paused)) for id, address, name, paused in rows
        }

    def preference_sets(self, after: int = 0) -> list[tuple[int, str]]:
        """Return the preference sets behind *after*, oldest first."""
        query = "select id, wishes from taste where id > ? order by id"
        return self.db.execute(query, (after,)).fetchall()

    def count_subscribers(self, set_ids: str | None = None) -> int:
        """Count the subscribers of some sets (a JSON list), or all."""
        query = "select coalesce(sum(people), 0) from taste"
        if set_ids is None:
            return int(self.db.execute(query).fetchone()[0])
        query += " where id in (select value from json_each(?))"
        return int(self.db.execute(query, (set_ids,)).fetchone()[0])

    def people_by_set(self) -> dict[int, int]:
        """Count the subscribers of each preference set that has some."""
        return dict(self.db.execute("select id, people from taste where people > 0").fetchall())

    def all_ids(self, after: str, limit: int) -> list[str]:
        query = "select id from person where id > ? order by id limit ?"
        return [id for (id,) in self.db.execute(query, (after, limit))]

    def scan_ids(self, set_ids: str, after: str, limit: int) -> list[str]:
        """Return the next ids of some sets in order, by scanning all subscribers."""
        query = """
            select id from person
            where id > ? and +taste in (select value from json_each(?))
            order by id limit ?
        """
        return [id for (id,) in self.db.execute(query, (after, set_ids, limit))]

    def scan_digest_candidates(
        self, frequency: str, set_ids: str, times: tuple[float, float], ids: tuple[str, str]
    ) -> list[tuple[str, int, float]]:
        """Return id, set and last change of frequency of a digest's candidates.

        *ids*: behind the first one, up to the second. Candidates have one of the sets, or had the
        daily or weekly *frequency* after the first of *times*; none is paused at the second.
        """
        query = f"""
            select id, taste, changed from person
            where id > ? and id <= ? and paused_until <= ? and (
                +taste in (select value from json_each(?)) or {frequency}_until >= ?
            ) order by id
        """  # noqa: S608 -- one of two names
        since, now = times
        return self.db.execute(query, (*ids, now, set_ids, since)).fetchall()

    def page_end(self, after: str, limit: int) -> str:
        """Return the last id of the next *limit* subscribers; empty at the end."""
        query = "select max(id) from (select id from person where id > ? order by id limit ?)"
        return str(self.db.execute(query, (after, limit)).fetchone()[0] or "")

    @contextmanager
    def ids_of_set(self, set_id: int, after: str) -> Iterator[Iterator[str]]:
        """Iterate over the ids of one set in order, read on demand."""
        query = "select id from person where taste = ? and id > ? order by id"
        with closing(self.db.execute(query, (set_id, after))) as rows:
            yield (id for (id,) in rows)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read from one snapshot of the file within the block."""
        self.db.execute("begin")
        try:
            yield
        finally:
            self.db.execute("rollback")

    # --- internals

    def _prepare(self) -> None:
        with self._transaction():
            (version,) = self.db.execute("pragma user_version").fetchone()
            if version == _SCHEMA_VERSION:
                return
            for table in ("person", "taste", "meta"):
                self.db.execute(f"drop table if exists {table}")
            for statement in _statements(_SCHEMA.read_text("utf-8")):
                self.db.execute(statement)
            self.db.execute(f"pragma user_version = {_SCHEMA_VERSION}")

    def _apply_row(self, row: DirectoryRow) -> None:
        if row.preferences is None:
            self.db.execute("delete from person where id = ?", (row.id,))
            return
        taste = self._preference_set_id(row.preferences)
        self.db.execute(_UPSERT, row._replace(preferences=str(taste)))

    def _preference_set_id(self, preferences: str) -> int:
        query = "insert into taste (wishes) values (?) on conflict do nothing"
        self.db.execute(query, (preferences,))
        cursor = self.db.execute("select id from taste where wishes = ?", (preferences,))
        return int(cursor.fetchone()[0])

    def _write_meta(self, name: str, value: object) -> None:
        self.db.execute("insert or replace into meta (name, value) values (?, ?)", (name, value))

    def _read_meta(self, name: str) -> str | int | float | None:
        row = self.db.execute("select value from meta where name = ?", (name,)).fetchone()
        return row[0] if row else None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.db.execute("begin immediate")
        try:
            yield
            self.db.execute("commit")
        except BaseException:
            if self.db.in_transaction:  # a full disk may have ended it
                self.db.execute("rollback")
            raise


def read_in_time_at(path: Path) -> float:
    """When the file at *path* was last complete in time: a lag does not move it. 0: never.

    Raises sqlite3.Error.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        row = db.execute("select value from meta where name = 'in_time'").fetchone()
    return float(row[0]) if row else 0.0


def read_damage(path: Path) -> str:
    """The damage of the file at *path*, which is only read; empty for none, and for no file."""
    if not path.exists():
        return ""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            (result,) = db.execute("pragma quick_check(1)").fetchone()
    except sqlite3.Error as broken:
        return str(broken)
    return "" if result == "ok" else str(result)


def open_store(path: Path) -> DirectoryStore:
    """Open the file; replace a damaged one by an empty one, which the bus fills again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Locked: the second of two starts would set aside the first one's new file.
    with _locked(path.parent):
        if reason := find_damage(path):
            aside = set_aside(path)
            log.warning("directory_set_aside", reason=reason, file=aside.name)
        return DirectoryStore(path)


def find_damage(path: Path) -> str:
    """Return what damages the file; empty for none. Raises sqlite3.Error for other trouble."""
    try:
        with closing(DirectoryStore(path)) as store:
            (result,) = store.db.execute("pragma quick_check(1)").fetchone()
            return "" if result == "ok" else "quick_check"
    except sqlite3.DatabaseError as broken:
        if getattr(broken, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE_CODES:
            raise
        return broken.sqlite_errorname.lower()


def set_aside(path: Path) -> Path:
    """Rename the file to `….damaged`, over an older one."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path.replace(path.with_name(f"{path.name}.damaged"))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; semicolons inside a trigger do not end one."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
