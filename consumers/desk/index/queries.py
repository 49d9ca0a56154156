"""Filters as SQL. A page goes on behind the last row: a late one costs what the first one does."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

from channels.portal.search.normalize import WORD, normalize_spelling, strip_marks
from consumers.desk.index.file import CHANNEL_BITS, moment
from consumers.desk.index.projection import (
    NO_DEADLINE,
    PARTNER,
    facet,
    microseconds,
    person_key,
)
from contracts.delivery import ChannelName, Lane
from contracts.desk.deadlines import Step
from contracts.desk.index import CampaignGroup, ItemFilter, ItemRow, Order, Page, Scope
from contracts.desk.shown.status import shown_status
from contracts.editorial import OUT, Status
from contracts.text import nfc

_MAX_WORDS = 12
_MAX_LIMIT = 500
_REMEMBERED = 4 * _MAX_LIMIT
"""Rows of the file that are kept as they were read: a list that is asked for again has the same."""
_MOST, _MOST_DIGITS = 2**63 - 1, 19
_SHOWN = """
CASE WHEN status NOT IN ('published', 'corrected') THEN status
    WHEN ends <= :now THEN 'expired' WHEN begins > :now THEN 'scheduled' ELSE status END
"""
_BY_TIME = frozenset({Status.SCHEDULED, Status.EXPIRED})
_COMING = """
item.seq IN (
    SELECT seq FROM item WHERE begins > :now UNION ALL
    SELECT seq FROM item WHERE status = 'scheduled'
)
"""
_COUNT_SQL = """
SELECT status, count(*), 0, 0 FROM item GROUP BY status UNION ALL
SELECT +status AS one, 0, count(*), 0 FROM item
WHERE ends <= :now AND +status IN ('published', 'corrected') GROUP BY one UNION ALL
SELECT +status AS one, 0, 0, count(*) FROM item
WHERE begins > :now AND +status IN ('published', 'corrected')
    AND (ends IS NULL OR ends > :now) GROUP BY one
"""
_CAMPAIGNS_SQL = """
SELECT campaign, entry, channels, min(shown), sum(is_first) FROM joined
WHERE campaign IN (SELECT value FROM json_each(:campaigns)) AND shown <= :now
GROUP BY campaign, entry, channels
"""
_COLUMNS = """
item.seq, item.content_id, item.status, item.step, item.unit, item.topic, item.lane, item.language,
item.begins, item.ends, item.due, item.day
"""
_WORDS_FIRST = "words CROSS JOIN item ON item.seq = words.rowid"


class _Sorting(NamedTuple):
    """An order of rows: column, ORDER BY clause, and the condition for rows after a cursor."""

    column: str
    sorted: str
    behind: str


_SORTINGS = {
    Order.RECENT: _Sorting("", "{seq} DESC", "{seq} < :last_seq"),
    Order.URGENT: _Sorting("due", "due, {seq}", "(due, {seq}) > (:last, :last_seq)"),
    Order.DATE: _Sorting("day", "day, {seq}", "(day, {seq}) > (:last, :last_seq)"),
}


class _Cursor(NamedTuple):
    """The last row of a page: its place in the order, and whether marks were ignored."""

    order: Order
    last: int
    last_seq: int
    ignores_marks: bool = False

    def __str__(self) -> str:
        return f"{self.order}.{self.last}.{self.last_seq}.{self.ignores_marks:d}"

    @classmethod
    def parse(cls, text: str, order: Order) -> "_Cursor | None":
        """Read the text form; None for none, for one of another order and for anything else."""
        name, *numbers = text.split(".")
        is_read = name == order and len(numbers) == 3 and all(map(_is_number, numbers))
        if not is_read:
            return None
        last, last_seq, ignores_marks = map(int, numbers)
        return cls(order, last, last_seq, bool(ignores_marks))


def _is_number(text: str) -> bool:
    """Whether SQLite has the number."""
    is_short = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return is_short and int(text) <= _MOST


@dataclass
class _Query:
    """The SQL of a filter, as it grows: where rows come from, conditions, and their values."""

    wanted: ItemFilter
    now_us: int
    ignores_marks: bool = False
    source: str = "item"
    seq: str = "item.seq"
    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values["now"] = self.now_us
        for condition in _CONDITIONS:
            if found := condition(self):
                self.conditions.append(found)

    @property
    def is_recent(self) -> bool:
        return self.wanted.order is Order.RECENT

    @property
    def words(self) -> list[str]:
        return _words_of(self.wanted)

    @property
    def where(self) -> str:
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""

    def one_of(self, column: str, wanted: Collection[str]) -> str:
        """The condition that *column* has one of the values; none restrict nothing."""
        names = [f"v{len(self.values) + place}" for place in range(len(wanted))]
        self.values |= dict(zip(names, wanted, strict=True))
        marks = ", ".join(f":{name}" for name in names)
        return f"{column} IN ({marks})" if names else ""

    def equal(self, column: str, value: object) -> str:
        """The condition that *column* has the value; an empty one restricts nothing."""
        if value in ("", None):
            return ""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"{column} = :{name}"


def _scopes(query: _Query) -> str:
    parts = [f"({_scope(query, scope)})" for scope in query.wanted.scopes]
    if query.wanted.adds_own and (person := _person(query.wanted)):
        query.values["own"] = person
        parts.append("item.seq IN (SELECT rowid FROM words WHERE words MATCH :own)")
    return f"({' OR '.join(parts)})" if parts else ""


def _scope(query: _Query, scope: Scope) -> str:
    columns = (("step", scope.steps), ("topic", scope.topics))
    found = [query.one_of(column, wanted) for column, wanted in columns if wanted]
    if scope.units:
        found.append(_scope_units(query, scope))
    if scope.steps:
        found.append(f"due < {NO_DEADLINE}")  # its index has what waits first
    return " AND ".join(found) or "1"


def _scope_units(query: _Query, scope: Scope) -> str:
    found = query.one_of("unit", scope.units)
    if not scope.with_partners:
        return found
    name = f"v{len(query.values)}"
    query.values[name] = _any_of(facet(PARTNER, unit) for unit in scope.units)
    return f"({found} OR item.seq IN (SELECT rowid FROM words WHERE words MATCH :{name}))"  # noqa: S608


def _statuses(query: _Query) -> str:
    found = query.one_of(_SHOWN, query.wanted.statuses)
    return f"{_COMING} AND {found}" if query.wanted.statuses == {Status.SCHEDULED} else found


def _channel(query: _Query) -> str:
    channel = query.wanted.channel
    return f"channels & {CHANNEL_BITS[channel]}" if channel else ""


def _days(query: _Query) -> str:
    bounds = {"after": query.wanted.after, "before": query.wanted.before}
    query.values |= {name: microseconds(at) for name, at in bounds.items() if at}
    sides = {"day >= :after": bounds["after"], "day < :before": bounds["before"]}
    found = [condition for condition, bound in sides.items() if bound]
    on_calendar = ["day IS NOT NULL"] if query.wanted.order is Order.DATE else []
    return " AND ".join(found + on_calendar)


def _broken(query: _Query) -> str:
    wanted = query.wanted.broken
    return "" if wanted is None else f"is_broken = {int(wanted)}"


def _not_barred(query: _Query) -> str:
    names = query.one_of("barred.name", _keys(query.wanted.not_barred))
    found = "SELECT 1 FROM barred WHERE barred.seq = item.seq"
    return f"NOT EXISTS ({found} AND {names})" if names else ""


def _words(query: _Query) -> str:
    """Words and facets together: the full-text index has the rows of each in order."""
    words = [strip_marks(word) if query.ignores_marks else word for word in query.words]
    groups = [_any_of([word]) for word in words]
    groups += [_any_of(found) for found in _facets(query.wanted) if found]
    person = "" if query.wanted.adds_own else _person(query.wanted)
    groups += [person] if person else []
    wanted = query.wanted
    has_no_column = wanted.tells or wanted.campaigns or wanted.is_campaign
    is_needed = words or person or has_no_column or query.is_recent
    if not (is_needed and groups):
        return ""
    query.values["words"] = " AND ".join(f"({one})" for one in groups)
    if query.is_recent:
        query.source, query.seq = _WORDS_FIRST, "words.rowid"
        return "words MATCH :words"
    return "item.seq IN (SELECT rowid FROM words WHERE words MATCH :words)"


def _any_of(words: Iterable[str]) -> str:
    return " OR ".join(f'"{word}"' for word in words)


def _person(wanted: ItemFilter) -> str:
    """The full-text condition that an item is the person's; empty if any item will do."""
    found = [_any_of([facet("person", key)]) for key in sorted(_keys(wanted.person))]
    if named := wanted.named:
        units = _any_of(facet("unit", unit) for unit in named.units)
        keys = _any_of(facet("person", key) for key in _keys((named.name,)))
        found += [f"(({keys}) AND ({units}))"] if keys and units else []
    return " OR ".join(found)


def _facets(wanted: ItemFilter) -> Iterator[list[str]]:
    """The facets that an item must have, one of each list; conditions say them, too."""
    scopes = () if wanted.adds_own else wanted.scopes
    kinds: list[tuple[str, Collection[str]]] = [
        ("status", wanted.statuses | (OUT if wanted.statuses & _BY_TIME else frozenset())),
        ("unit", wanted.units),
        ("topic", wanted.topics),
        ("channel", [wanted.channel] if wanted.channel else []),
        ("lane", [wanted.lane] if wanted.lane else []),
        ("language", [wanted.language] if wanted.language else []),
        ("tells", [wanted.tells] if wanted.tells else []),
        ("campaign", wanted.campaigns),
        ("campaigns", ["all"] if wanted.is_campaign else []),
        ("step", _of_every([scope.steps for scope in scopes])),
        ("topic", _of_every([scope.topics for scope in scopes])),
    ]
    for kind, ids in kinds:
        yield [facet(kind, id) for id in sorted(ids)]
    of_units = ("unit", PARTNER) if any(scope.with_partners for scope in scopes) else ("unit",)
    units = sorted(_of_every([scope.units for scope in scopes]))
    yield [facet(kind, unit) for kind in of_units for unit in units]


def _of_every(parts: Collection[Collection[str]]) -> set[str]:
    """The ids of all parts; none if one part has none, which restricts nothing."""
    return {id for part in parts for id in part} if all(parts) else set()


_CONDITIONS: tuple[Callable[[_Query], str], ...] = (
    *(_scopes, _statuses, _channel, _days, _broken, _not_barred, _words),
    lambda query: query.one_of("item.content_id", query.wanted.ids),
    lambda query: query.one_of("unit", query.wanted.units),
    lambda query: query.one_of("topic", query.wanted.topics),
    lambda query: query.equal("lane", query.wanted.lane),
    lambda query: query.equal("language", query.wanted.language),
)


def _words_of(wanted: ItemFilter) -> list[str]:
    """The words that a filter asks for, in one spelling; further ones are left out."""
    return WORD.findall(normalize_spelling(nfc(wanted.words)))[:_MAX_WORDS]


def find_page(db: sqlite3.Connection, wanted: ItemFilter, now_us: int) -> Page:
    """The page behind the cursor; the first one without a cursor of this order."""
    words = _words_of(wanted)
    if wanted.words and not words:
        return Page(())
    cursor = _Cursor.parse(wanted.cursor, wanted.order)
    ignores_marks = bool(cursor and cursor.ignores_marks)
    page = _find(db, _Query(wanted, now_us, ignores_marks), cursor)
    has_marks = any(word != strip_marks(word) for word in words)
    if page.rows or cursor or not has_marks:
        return page
    return _find(db, _Query(wanted, now_us, ignores_marks=True), cursor)


def _find(db: sqlite3.Connection, query: _Query, cursor: _Cursor | None) -> Page:
    wanted, sorting = query.wanted, _SORTINGS[query.wanted.order]
    if cursor:
        query.conditions.append(sorting.behind.format(seq=query.seq))
        query.values |= {"last": cursor.last, "last_seq": cursor.last_seq}
    limit = max(1, min(wanted.limit, _MAX_LIMIT))
    inner = (
        f"SELECT {_COLUMNS} FROM {query.source} {query.where}"  # noqa: S608 -- values are named
        f" ORDER BY {sorting.sorted.format(seq=query.seq)} LIMIT {limit + 1}"
    )
    outer = (
        f"SELECT page.*, facts FROM ({inner}) AS page CROSS JOIN detail ON detail.seq = page.seq"  # noqa: S608
        f" ORDER BY {sorting.sorted.format(seq='page.seq')}"
    )
    found = [_Read._make(values) for values in db.execute(outer, query.values)]
    now = _time(query.now_us)
    rows = tuple(_shown(one, now) for one in found[:limit])
    if len(found) <= limit:
        return Page(rows, ignores_marks=query.ignores_marks)
    last = found[limit - 1]
    place = getattr(last, sorting.column) if sorting.column else 0
    following = _Cursor(wanted.order, place, last.seq, query.ignores_marks)
    return Page(rows, str(following), ignores_marks=query.ignores_marks)


def find_among(
    db: sqlite3.Connection, wanted: ItemFilter, seqs: Collection[int], now_us: int
) -> Sequence[ItemRow]:
    """Those of the rows *seqs*, a few, that the filter lets through."""
    query = _Query(replace(wanted, order=Order.URGENT, limit=_MAX_LIMIT), now_us)
    query.conditions.append(f"item.seq IN ({', '.join(map(str, seqs))})")
    return _find(db, query, None).rows


def count_statuses(db: sqlite3.Connection, wanted: ItemFilter, now_us: int) -> dict[Status, int]:
    """How many items the filter finds, by their present status; a status without items is absent.

    Broken items without a readable act have none.
    """
    if wanted.words and not _words_of(wanted):
        return {}
    query = _Query(wanted, now_us)
    if not query.conditions:
        return _count_all(db, now_us)
    sql = f"SELECT {_SHOWN} AS shown, count(*) FROM {query.source} {query.where} GROUP BY shown"  # noqa: S608
    return {Status(name): count for name, count in db.execute(sql, query.values) if name}


def _count_all(db: sqlite3.Connection, now_us: int) -> dict[Status, int]:
    counts = Counter[Status]()
    for name, stored, expired, scheduled in db.execute(_COUNT_SQL, {"now": now_us}):
        if name:
            counts[Status(name)] += stored - expired - scheduled
            counts[Status.EXPIRED] += expired
            counts[Status.SCHEDULED] += scheduled
    return {status: count for status, count in counts.items() if count}


def count_campaigns(
    db: sqlite3.Connection, campaigns: Sequence[str], now_us: int
) -> list[CampaignGroup]:
    """Count the items that joined *campaigns* by their state for readers."""
    rows = db.execute(_CAMPAIGNS_SQL, {"campaigns": json.dumps(campaigns), "now": now_us})
    return [
        CampaignGroup(campaign, entry, _channels_of(bits), _time(shown), number)
        for campaign, entry, bits, shown, number in rows
    ]


@cache
def _channels_of(bits: int) -> tuple[ChannelName, ...]:
    return tuple(name for name in ChannelName if bits & CHANNEL_BITS[name])


def find_item(db: sqlite3.Connection, content_id: str, now_us: int) -> ItemRow | None:
    sql = f"SELECT {_COLUMNS}, facts FROM item JOIN detail USING (seq) WHERE content_id = ?"  # noqa: S608
    found = db.execute(sql, (content_id,)).fetchone()
    return _shown(_Read._make(found), _time(now_us)) if found else None


class _Read(NamedTuple):
    """A row of the file."""

    seq: int
    content_id: str
    stored: str
    step: str
    unit: str
    topic: str
    lane: str
    language: str
    begins: int | None
    ends: int | None
    due: int
    day: int | None
    facts: str


def _shown(read: _Read, now: datetime) -> ItemRow:
    """The row as lists show it at a moment."""
    row = _parse(read)
    status = shown_status(row.stored_status, row.not_before, row.expires_at, now)
    return row if status is row.status else replace(row, status=status)


@lru_cache(_REMEMBERED)
def _parse(read: _Read) -> ItemRow:
    """The row with the status of its last act."""
    facts: dict[str, Any] = json.loads(read.facts)
    moments: dict[str, Any] = {name: moment(facts.pop(name)) for name in _MOMENTS}
    channels, shown = facts.pop("channels"), facts.pop("first_shown")
    stored = Status(read.stored) if read.stored else None
    return ItemRow(
        content_id=read.content_id,
        status=stored,
        stored_status=stored,
        step=Step(read.step) if read.step else None,
        unit=read.unit,
        topic=read.topic,
        lane=Lane(read.lane),
        language=read.language,
        seq=read.seq,
        not_before=moment(read.begins),
        expires_at=moment(read.ends),
        channels=tuple(name for name in ChannelName if name in channels),
        first_shown={ChannelName(name): _time(at) for name, at in shown.items()},
        audiences=tuple(facts.pop("audiences")),
        **moments,
        **facts,
    )


_MOMENTS = ("created", "since", "changed", "published_at", "deadline")


def _time(now_us: int) -> datetime:
    return datetime.fromtimestamp(now_us / 1_000_000, UTC)


def _keys(names: Collection[str]) -> list[str]:
    return sorted({key for name in names if (key := person_key(name))})
