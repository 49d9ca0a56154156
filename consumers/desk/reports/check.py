"""Compare the rows of reports with the facts, for `loa check`."""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from consumers.check.findings import Violation
from consumers.desk.reports.follow import RowsFollower
from consumers.desk.reports.rows_file import RowsFile, Rules, item_of
from consumers.desk.sqlite_copy.file import Position, has_format, open_reader, read_position
from consumers.desk.sqlite_copy.keeper import is_same_stream
from consumers.facts.store import FactStore
from contracts import subjects

_RULE = "report-rows-wrong"
_STREAM = subjects.FACTS.name
_FACTS = """
SELECT key, fact.item, body, day, kind, times, unit, topic, channel, row.item, detail, seconds
FROM fact LEFT JOIN row ON row.fact = fact.id ORDER BY 1, 4, 5, 6, 7, 8, 9, 10, 11, 12
"""
_STRAY = "SELECT count(*) FROM row WHERE fact NOT IN (SELECT id FROM fact)"


class _FactRows(NamedTuple):
    """The rows that a file has of one fact: its item, their number and their hash."""

    item: str = ""
    rows: int = 0
    hash: bytes = b""


class _Contents(NamedTuple):
    """The rows of a file by fact, and the message up to which it has read."""

    position: Position
    by_fact: Mapping[str, _FactRows]
    stray: int = 0
    """Rows of no fact."""


async def find_wrong_report_rows(store: FactStore, path: Path, rules: Rules) -> list[Violation]:
    """Name facts of which the file says something else than they do, as far as it has read them.

    A file that is not there, or of another version or stream, is made anew anyway. Raises BusError.
    """
    try:
        kept = await asyncio.to_thread(_read, path, rules)
    except sqlite3.Error as damage:
        return [Violation(rule=_RULE, key=str(path), detail=str(damage))]
    created = str((await store.bus.stream_info(_STREAM))["created"])
    if kept is None or not await is_same_stream(store.bus, _STREAM, created, kept.position):
        return []
    wanted = await _made_anew(store, rules)
    newer = await _newer(store, kept.position.seq)
    found = [*_differences(kept.by_fact, wanted.by_fact, newer)]
    if kept.stray:
        found.append(Violation(rule=_RULE, key=str(path), detail=f"{kept.stray} rows of no fact"))
    return found


def _read(path: Path, rules: Rules) -> _Contents | None:
    """None without a file of these rules. Raises sqlite3.Error."""
    if not path.exists():
        return None
    with closing(open_reader(path)) as db:
        if not has_format(db, rules.version):
            return None
        db.execute("BEGIN")
        [stray] = db.execute(_STRAY).fetchone()
        return _Contents(read_position(db), dict(_rows_by_fact(db)), stray)


def _rows_by_fact(db: sqlite3.Connection) -> Iterator[tuple[str, _FactRows]]:
    for key, found in groupby(db.execute(_FACTS), key=lambda row: row[0]):
        rows = [*found]
        count = sum(row[3] is not None for row in rows)
        yield key, _FactRows(rows[0][1], count, sha256(repr(rows).encode()).digest())
    for day, fact in db.execute("SELECT day, fact FROM day"):
        yield f"day.{day}", _FactRows(rows=1, hash=sha256(fact.encode()).digest())


async def _made_anew(store: FactStore, rules: Rules) -> _Contents:
    """The rows that the facts give now, in a file for this alone."""
    with TemporaryDirectory(prefix="loa-check-") as folder, ThreadPoolExecutor(1) as writer:
        path = Path(folder) / "rows.sqlite"
        with closing(RowsFile(path, rules)) as file:
            await RowsFollower(store, file, writer).advance()
        made = await asyncio.to_thread(_read, path, rules)
    return made or _Contents(Position(), {})


async def _newer(store: FactStore, seq: int) -> frozenset[str]:
    """The keys and items of facts behind a message: rows of an item depend on all of its facts."""
    found = set[str]()
    async for stored in store.scan(start=seq + 1):
        if stored.fact:
            found |= {stored.fact.key, item_of(stored.fact)}
    return frozenset(found - {""})


def _differences(
    kept: Mapping[str, _FactRows], wanted: Mapping[str, _FactRows], newer: frozenset[str]
) -> Iterator[Violation]:
    for key in sorted(kept.keys() | wanted.keys()):
        one, other = kept.get(key, _FactRows()), wanted.get(key, _FactRows())
        if one != other and newer.isdisjoint((key, one.item, other.item)):
            detail = f"{one.rows} rows where the fact gives {other.rows}"
            if one.rows == other.rows:
                detail = "other rows than the fact gives"
            yield Violation(rule=_RULE, key=subjects.fact(key), detail=detail)
