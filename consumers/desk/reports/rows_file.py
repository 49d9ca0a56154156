"""The SQLite file with the rows of all facts, as reports count them."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import cast

from consumers.desk.sqlite_copy.file import Position, StreamCopy, delete_copy, open_copy
from consumers.directory.directory import try_lock
from consumers.facts.store import StoredFact
from consumers.periodic_reports.from_facts import FactRows
from contracts import facts
from contracts.bulletins.series import Series
from contracts.desk.deadlines import Deadlines, default_deadlines
from contracts.facts import DayFact, Fact, FactKind, ReleaseFact

ROWS_FILE = "reports.sqlite"
_SCHEMA_VERSION = 4
"""To be raised when facts become other rows; the file is then made anew."""
_RELEASE = f"{FactKind.RELEASE}."
_INSERT_ROW = "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FACTS_OF_ITEM = "SELECT id, key, body FROM fact WHERE item = ? AND item != ''"


@dataclass(frozen=True)
class Rules:
    """Settings on which rows depend besides facts."""

    bulletins: Mapping[str, Series] = field(default_factory=dict)
    deadlines: Deadlines = field(default_factory=default_deadlines)

    @property
    def version(self) -> str:
        """Another one makes the file anew; a new Loa may read facts as other rows."""
        series = sorted((id, one.topic) for id, one in self.bulletins.items())
        rules = f"{version('loa')} {self.deadlines.version} {series}"
        return f"{_SCHEMA_VERSION} {sha256(rules.encode()).hexdigest()}"


class RowsFile(StreamCopy):
    """The rows as their only writer has them."""

    schema = Path(__file__).with_name("schema.sql")
    tables = ("meta", "day", "fact", "row")

    def __init__(self, path: Path, rules: Rules) -> None:
        """Open the file. Raises sqlite3.Error, OSError."""
        self.rules = rules
        super().__init__(path, rules.version)

    def apply(self, stored: Iterable[StoredFact], position: Position) -> None:
        """Replace the rows of *stored* and move on to *position*, all or none."""
        found = [one.fact for one in stored if one.fact]
        with self.transaction():
            writer = _Writer(self.db, self._rows_of(found))
            for fact in found:
                writer.write(fact)
            self.note(position)

    def _rows_of(self, found: Iterable[Fact]) -> FactRows:
        """A new maker of rows, which knows the releases of these facts' items."""
        rows = FactRows(bulletins=self.rules.bulletins, deadlines=self.rules.deadlines)
        for content_id in {item_of(fact) for fact in found} - {""}:
            for _, key, body in self.db.execute(_FACTS_OF_ITEM, (content_id,)):
                if key.startswith(_RELEASE):
                    rows.learn(cast(ReleaseFact, facts.decode(key, body.encode())))
        return rows


@dataclass(frozen=True)
class _Writer:
    """Writes facts in the order in which they were stored."""

    db: sqlite3.Connection
    rows: FactRows

    def write(self, fact: Fact) -> None:
        if isinstance(fact, DayFact):
            body = fact.encode().decode()
            self.db.execute("INSERT OR REPLACE INTO day VALUES (?, ?)", (str(fact.on), body))
            return
        if isinstance(fact, ReleaseFact):
            self._learn(fact)
        self._replace(fact)

    def _learn(self, release: ReleaseFact) -> None:
        """Make anew the rows of the item that were written before: they depend on its releases."""
        self.rows.learn(release)
        for id, key, body in self.db.execute(_FACTS_OF_ITEM, (release.content_id,)).fetchall():
            self.db.execute("DELETE FROM row WHERE fact = ?", (id,))
            self._insert_rows(id, facts.decode(key, body.encode()))

    def _replace(self, fact: Fact) -> None:
        """Write the rows of *fact* in place of those of an earlier fact of its key."""
        sql = "DELETE FROM fact WHERE key = ? RETURNING id"
        if former := self.db.execute(sql, (fact.key,)).fetchone():
            self.db.execute("DELETE FROM row WHERE fact = ?", former)
        body = fact.encode().decode() if (item := item_of(fact)) else ""
        sql = "INSERT INTO fact (key, item, body) VALUES (?, ?, ?) RETURNING id"
        (id,) = self.db.execute(sql, (fact.key, item, body)).fetchone()
        self._insert_rows(id, fact)

    def _insert_rows(self, id: int, fact: Fact) -> None:
        rows = ((id, str(row.day), *row[1:6], *row[7:]) for row in self.rows.of(fact))
        self.db.executemany(_INSERT_ROW, rows)


def item_of(fact: Fact) -> str:
    return str(getattr(fact, "content_id", ""))


def open_rows(path: Path, rules: Rules) -> RowsFile:
    """Open the file to write it; a damaged one is made anew."""
    return open_copy(path, lambda: RowsFile(path, rules))


def forget_rows(path: Path) -> None:
    """Delete the file, which the next start makes anew; not one that a running Loa keeps."""
    with try_lock(path.with_suffix(".lock")) as is_free:
        if is_free:
            delete_copy(path)
