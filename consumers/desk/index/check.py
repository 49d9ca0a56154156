"""Compare the index with the editorial log, for `loa check`."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from consumers.check.findings import Violation
from consumers.desk.index.file import index_format
from consumers.desk.sqlite_copy.file import has_format, open_reader, read_position
from consumers.editorial.log import Audit, EditorialLog
from contracts import subjects
from contracts.desk.deadlines import Deadlines
from contracts.editorial import ItemState
from contracts.errors import ContractError
from producers.bus import Bus

_RULE = "desk-index-wrong"
_ROWS = """
SELECT content_id, status, json_extract(facts, '$.hash'), json_extract(facts, '$.revision'),
    json_extract(facts, '$.out'), is_broken
FROM item JOIN detail USING (seq)
"""


class _Told(NamedTuple):
    """The record of an item in the index or in the log."""

    status: str = ""
    hash: str = ""
    revision: int = 0
    out: int = 0
    is_broken: bool = False

    @classmethod
    def by(cls, state: ItemState) -> "_Told":
        return cls(state.status or "", state.hash, state.revision, state.out)


class _Index(NamedTuple):
    """The index, as far as it has read the log."""

    seq: int
    items: dict[str, _Told]


async def find_wrong_rows(
    bus: Bus, path: Path, deadlines: Deadlines, acts: Audit
) -> list[Violation]:
    """Name items of which the index says something else than the log, as far as it has read that.

    An index that is not there, or of another version, is made anew anyway.
    """
    try:
        index = _read_index(path, deadlines)
    except sqlite3.Error as damage:
        return [Violation(rule=_RULE, key=str(path), detail=str(damage))]
    if index is None:
        return []
    told = {item: _Told.by(state) for item, state in acts.states.items()}
    told |= dict.fromkeys(acts.broken, _Told(is_broken=True))
    every = sorted(told.keys() | index.items.keys())
    suspects = [item for item in every if _differ(index.items.get(item), told.get(item))]
    log = EditorialLog(bus)
    found = [await _violation(log, item, index) for item in suspects]
    return [one for one in found if one]


def _read_index(path: Path, deadlines: Deadlines) -> _Index | None:
    """None without a file of this version. Raises sqlite3.Error."""
    if not path.exists():
        return None
    with closing(open_reader(path)) as db:
        if not has_format(db, index_format(deadlines)):
            return None
        db.execute("BEGIN")
        items = {row[0]: _Told._make(row[1:]) for row in db.execute(_ROWS)}
        return _Index(read_position(db).seq, items)


def _differ(one: _Told | None, other: _Told | None) -> bool:
    """Of broken items both say that alone."""
    one, other = one or _Told(), other or _Told()
    return one != other and not (one.is_broken and other.is_broken)


async def _violation(log: EditorialLog, item: str, index: _Index) -> Violation | None:
    """The item's violation, if the log as it is now says the same as before.

    What the index has not read yet is none.
    """
    row = index.items.get(item)
    last = await log.bus.last_message(subjects.EDITORIAL.name, subjects.editorial(item))
    try:
        told = _Told.by((await log.read(item)).state)
    except ContractError:
        told = _Told(is_broken=True)
    if (last and last.seq > index.seq) or not _differ(row, told):
        return None
    detail = f"the index: {row.status if row else 'nothing'}, the log: {told.status or 'broken'}"
    return Violation(rule=_RULE, key=subjects.editorial(item), detail=detail)
