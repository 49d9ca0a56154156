"""Queries of the file of rows: tallies and gaps of a span, and the parts of a figure."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from consumers.periodic_reports.from_facts import gaps_of, uncounted_days
from consumers.periodic_reports.indicators import How, Indicator, load_indicators
from consumers.periodic_reports.rhythm import rhythm_rows
from consumers.periodic_reports.rows import Gap, Row, dumps
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.tally import By, Tally, unit_month
from contracts.bulletins.series import Series
from contracts.facts import DayFact, FactKind
from contracts.facts.live_reports import ItemsWanted, ReportScope, ReportWanted

_MONTH = "substr(day, 1, 7)"
_COLUMNS: Mapping[By, str] = {
    By.TOTAL: "''",
    By.MONTH: _MONTH,
    By.UNIT: "unit",
    By.TOPIC: "topic",
    By.CHANNEL: "channel",
    By.DETAIL: "detail",
}
_ISSUED = "bulletins.issued"
_COUNTED = (
    "(day NOT IN (SELECT value FROM json_each(?))"
    " OR day || ' ' || substr(kind, 1, instr(kind, '.') - 1)"
    " NOT IN (SELECT value FROM json_each(?)))"
)
"""Takes the days that lack some kind, and what they lack."""


@dataclass(frozen=True)
class Condition:
    """The rows of a span that a person may see, as SQL with its values."""

    sql: str
    values: tuple[Any, ...]

    @classmethod
    def of(cls, wanted: ReportWanted) -> "Condition":
        days = (str(wanted.first), str(wanted.last))
        if wanted.is_of_all:
            return cls("day BETWEEN ? AND ?", days)
        scopes = [_scope(one) for one in wanted.scopes]
        either = " OR ".join(one.sql for one in scopes) or "0"
        values = (value for one in scopes for value in one.values)
        return cls(f"day BETWEEN ? AND ? AND ({either})", (*days, *values))

    def narrowed(self, sql: str, *values: Any) -> "Condition":
        return Condition(f"{self.sql} AND {sql}", (*self.values, *values))


def _without_gaps(
    db: sqlite3.Connection, wanted: ReportWanted | ItemsWanted, condition: Condition
) -> Condition:
    """*condition* without the rows in gaps, as a data set has them.

    Most days lack nothing, so their rows are not asked for more.
    """
    lost = [*uncounted_days(_days(db, wanted), Span(wanted.first, wanted.last))]
    days = sorted({str(day) for _, found in lost for day in found})
    if not days:
        return condition
    kinds = [f"{day} {kind}" for kind, found in lost for day in found]
    return condition.narrowed(_COUNTED, json.dumps(days), json.dumps(kinds))


def _scope(scope: ReportScope) -> Condition:
    parts = [("unit", scope.units), ("topic", scope.topics)]
    named = [(column, names) for column, names in parts if names]
    sql = " AND ".join(f"{column} IN ({_marks(names)})" for column, names in named)
    return Condition(f"({sql})", tuple(name for _, names in named for name in names))


def _marks(values: Iterable[Any]) -> str:
    return ", ".join("?" for _ in values)


def tally_of(
    db: sqlite3.Connection, wanted: ReportWanted, bulletins: Mapping[str, Series]
) -> Tally:
    """The sums of the rows of *wanted*; SQLite adds them up, outside Python's lock.

    Of durations only those that indicators divide: each has an entry for every second.
    """
    condition, tally = _without_gaps(db, wanted, Condition.of(wanted)), Tally()
    for by in _COLUMNS:
        _add_sums(db, condition, by, tally)
    for kind, unit, month, times in _sums_by_unit_and_month(db, condition):
        tally.counts[kind, By.UNIT_MONTH, unit_month(unit, month)] += times
    rows = _level_rows(db, condition)
    if wanted.is_of_all:
        span = Span(wanted.first, wanted.last)
        counted = _counted_days(db)
        rows += rhythm_rows(bulletins, _issue_days(db, counted), span, counted)
    for row in rows:
        tally.add(row)
    return tally


def tally_of_items(
    db: sqlite3.Connection, wanted: ItemsWanted, indicators: Iterable[Indicator]
) -> Tally:
    """The sums of the rows of some items."""
    kinds, tally = [kind for one in indicators for kind in one.all_kinds], Tally()
    condition = Condition("day BETWEEN ? AND ?", (str(wanted.first), str(wanted.last)))
    condition = _without_gaps(db, wanted, condition)
    condition = condition.narrowed(f"kind IN ({_marks(kinds)})", *kinds)
    ids = json.dumps(wanted.content_ids)
    condition = condition.narrowed("item IN (SELECT value FROM json_each(?))", ids)
    sql = f"SELECT kind, sum(times) FROM row WHERE {condition.sql} GROUP BY kind"  # noqa: S608
    for kind, times in db.execute(sql, condition.values):
        tally.counts[kind, By.TOTAL, ""] += times
    return tally


@cache
def _kinds_by(by: By) -> tuple[str, ...]:
    """The kinds whose sums a division needs."""
    needed = [one for one in load_indicators() if by is By.TOTAL or one.is_divided_by(by)]
    months = [one for one in load_indicators() if by is By.MONTH and one.how is How.PRESENCE]
    return tuple(sorted({kind for one in (*needed, *months) for kind in one.all_kinds}))


def _add_sums(db: sqlite3.Connection, condition: Condition, by: By, tally: Tally) -> None:
    kinds = [one for one in _kinds_by(by) if not one.endswith(".level")]
    narrowed = condition.narrowed(f"kind IN ({_marks(kinds)})", *kinds)
    sql = (
        f"SELECT kind, {_COLUMNS[by]} AS word, seconds, sum(times) FROM row"  # noqa: S608 -- ours
        f" WHERE {narrowed.sql} GROUP BY kind, word, seconds"
    )
    for kind, word, seconds, times in db.execute(sql, narrowed.values):
        if seconds is None:
            tally.counts[kind, by, word] += times
        else:
            tally.times[kind, by, word][seconds] += times


def _sums_by_unit_and_month(
    db: sqlite3.Connection, condition: Condition
) -> list[tuple[str, str, str, int]]:
    sql = (
        f"SELECT kind, unit, {_MONTH} AS month, sum(times) FROM row"  # noqa: S608 -- ours
        f" WHERE {condition.sql} AND seconds IS NULL AND kind LIKE 'items.%'"
        " GROUP BY kind, unit, month"
    )
    return db.execute(sql, condition.values).fetchall()


def _level_rows(db: sqlite3.Connection, condition: Condition) -> list[Row]:
    sql = (
        "SELECT day, kind, times, channel FROM row"  # noqa: S608 -- ours
        f" WHERE {condition.sql} AND kind LIKE '%.level' ORDER BY day"
    )
    found = db.execute(sql, condition.values)
    return [
        Row(date.fromisoformat(day), kind, times, channel=channel)
        for day, kind, times, channel in found
    ]


def _issue_days(db: sqlite3.Connection, counted: Set[date]) -> dict[str, list[date]]:
    days: dict[str, list[date]] = {}
    sql = "SELECT detail, day FROM row WHERE kind = ?"
    for series, written in db.execute(sql, (_ISSUED,)):
        if (day := date.fromisoformat(written)) in counted:
            days.setdefault(series, []).append(day)
    return days


def _counted_days(db: sqlite3.Connection) -> set[date]:
    """The days whose releases were counted to the end, also before the span."""
    days = (DayFact.model_validate_json(body) for (body,) in db.execute("SELECT fact FROM day"))
    return {fact.on for fact in days if FactKind.RELEASE in fact.counted}


def _days(db: sqlite3.Connection, wanted: ReportWanted | ItemsWanted) -> list[DayFact]:
    sql = "SELECT fact FROM day WHERE day BETWEEN ? AND ?"
    days = db.execute(sql, (str(wanted.first), str(wanted.last)))
    return [DayFact.model_validate_json(body) for (body,) in days]


def gaps_in(db: sqlite3.Connection, wanted: ReportWanted | ItemsWanted) -> list[Gap]:
    """In the order in which a data set has them: of two reasons the first is told."""
    gaps = gaps_of(_days(db, wanted), Span(wanted.first, wanted.last))
    return sorted(gaps, key=lambda gap: dumps(gap.model_dump(mode="json")))


class FigurePart(NamedTuple):
    """The part of a figure that is one item's, or one day's without an item: *part* of *whole*."""

    item: str
    unit: str
    day: str
    channel: str
    detail: str
    part: int
    whole: int
    seconds: int | None


class Place(NamedTuple):
    """A figure: the indicator, and the part that it is of."""

    indicator: Indicator
    by: By
    word: str


def figure_parts(
    db: sqlite3.Connection, wanted: ReportWanted, place: Place, page: tuple[int, int]
) -> list[FigurePart]:
    """The parts of a figure, most first; *page*: how many, and after how many."""
    kinds, of = place.indicator.kinds, place.indicator.of
    condition = _without_gaps(db, wanted, Condition.of(wanted))
    condition = condition.narrowed(f"kind IN ({_marks(kinds + of)})", *kinds, *of)
    if place.by is not By.TOTAL:
        condition = condition.narrowed(f"{_COLUMNS[place.by]} = ?", place.word)
    values = (*kinds, *of, *condition.values, *page)
    return [FigurePart._make(found) for found in db.execute(_parts_sql(place, condition), values)]


def _parts_sql(place: Place, condition: Condition) -> str:
    """Items by their names; days, channels and codes of rows that have no item."""
    alone = {name: f"iif(item = '', {name}, '')" for name in ("day", "channel", "detail")}
    part, whole = (
        f"sum(iif(kind IN ({_marks(kinds)}), times, 0))"
        for kinds in (place.indicator.kinds, place.indicator.of)
    )
    order = "shown_day DESC, part DESC, longest DESC, item"
    if place.indicator.how is How.LEVEL:
        order = "shown_day DESC, shown_channel"
    return (
        f"SELECT item, unit, {alone['day']} AS shown_day, {alone['channel']} AS shown_channel,"  # noqa: S608 -- ours
        f" {alone['detail']} AS shown_detail, {part} AS part, {whole} AS whole,"
        f" max(seconds) AS longest FROM row WHERE {condition.sql}"
        " GROUP BY item, unit, shown_day, shown_channel, shown_detail"
        f" ORDER BY {order} LIMIT ? OFFSET ?"
    )
