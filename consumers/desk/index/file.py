"""The index's file: rows of items, as the log tells them."""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
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
from consumers.desk.sqlite_copy.file import Position, StreamCopy, open_copy
from contracts.delivery import ChannelName
from contracts.desk.deadlines import Deadlines, step_of

_SCHEMA_VERSION = 11
"""To be raised when an item is indexed differently; the file is then made anew."""
_FAST = 1
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


class IndexFile(StreamCopy):
    """The index as its only writer has it."""

    schema = Path(__file__).with_name("schema.sql")
    tables = ("item", "detail", "barred", "shingle", "joined", "meta", "words")

    def __init__(self, path: Path, deadlines: Deadlines) -> None:
        """Open the file. Raises sqlite3.Error, OSError."""
        self.deadlines = deadlines
        super().__init__(path, index_format(deadlines))

    def apply(self, items: Iterable[ItemHistory], position: Position) -> None:
        """Replace the rows of *items* and move on to *position*, all or none."""
        with self.transaction():
            for item in items:
                self._insert(item, self._forget(item.content_id))
            self.note(position)

    def known(self, content_ids: Iterable[str]) -> frozenset[str]:
        """Those of *content_ids* that have a row."""
        sql = "SELECT 1 FROM item WHERE content_id = ?"
        return frozenset(id for id in content_ids if self.db.execute(sql, (id,)).fetchone())

    def count(self) -> int:
        """The number of items."""
        return int(self.db.execute("SELECT count(*) FROM item").fetchone()[0])

    def _forget(self, content_id: str) -> "_Sketched | None":
        """Delete the item's rows; returns the sketch of its text."""
        if not (found := self.db.execute(_FIND_OLD, (content_id,)).fetchone()):
            return None
        seq, words, packed, hash = found
        sketch = unpack(packed)
        keys = [(key, seq) for key in keys_of(sketch)]
        self.db.executemany("DELETE FROM shingle WHERE hash = ? AND seq = ?", keys)
        self.db.execute(_FORGET_WORDS, (seq, zlib.decompress(words).decode()))
        for table in ("item", "detail", "barred", "joined"):
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
        self.db.executemany("INSERT INTO joined VALUES (?, ?, ?, ?, ?, ?)", _joined(item))


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


def _joined(item: ItemHistory) -> Iterator[tuple[int, str, int | None, int, int, bool]]:
    """The rows of an item that readers have, or will have, and that joined a campaign.

    One for each time at which it came, or comes, to channels where readers had not seen it.
    """
    joined = JoinedText.of(item)
    if joined.campaign in ("", item.content_id) or not item.state.out:
        return
    times = sorted(set(item.first_shown.values()))
    for at in times:
        bits = _channel_bits(name for name, shown in item.first_shown.items() if shown == at)
        named = (item.seq, joined.campaign, joined.campaign_entry)
        yield *named, bits, microseconds(at) or 0, at == times[0]


def _channel_bits(names: Iterable[str]) -> int:
    return sum(CHANNEL_BITS.get(name, 0) for name in set(names))


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
        "channels": _channel_bits(listed.channels),
        "begins": microseconds(listed.not_before),
        "ends": microseconds(listed.expires_at),
        "due": order_of(item, deadline_of(item, listed, deadlines)),
        "day": microseconds(day_of(item, listed)),
        "is_broken": bool(item.broken),
    }


def _facts(item: ItemHistory, listed: ListedText, deadlines: Deadlines) -> dict[str, Any]:
    """The columns that rows show and no filter asks for."""
    state, deadline = item.state, deadline_of(item, listed, deadlines)
    moments = {
        "created": item.created,
        "since": item.since,
        "changed": item.changed,
        "published_at": item.published_at,
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
        "first_shown": {name: microseconds(at) for name, at in item.first_shown.items()},
        **JoinedText.of(item)._asdict(),
        **{name: microseconds(moment) for name, moment in moments.items()},
    }


def moment(microseconds: int | None) -> datetime | None:
    """The time in UTC of microseconds since the epoch."""
    return None if microseconds is None else datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def open_index(path: Path, deadlines: Deadlines) -> IndexFile:
    """Open the file to write it; a damaged one is made anew."""
    return open_copy(path, lambda: IndexFile(path, deadlines))


def index_format(deadlines: Deadlines) -> str:
    """The format of an index with these deadlines."""
    return f"{_SCHEMA_VERSION} {sha256(deadlines.version.encode()).hexdigest()}"
