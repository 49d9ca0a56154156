"""Sums over the rows of a data set, by kind and by one dimension at a time."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from consumers.periodic_reports.rows import Row


class By(StrEnum):
    """The dimension by which counts are divided; `TOTAL` has one part, with an empty name."""

    TOTAL = "total"
    MONTH = "month"
    UNIT = "unit"
    TOPIC = "topic"
    CHANNEL = "channel"
    LANE = "lane"
    DETAIL = "detail"
    UNIT_MONTH = "unit_month"
    """Counts alone; see `unit_month`."""


Part = tuple[str, By, str]
"""A kind, and the part of it that a word names: `("items.published", By.MONTH, "2026-03")`."""


def month_of(day: date) -> str:
    return f"{day:%Y-%m}"


def unit_month(unit: str, month: str) -> str:
    """The word of `By.UNIT_MONTH`."""
    return f"{unit} {month}"


@dataclass
class Tally:
    """Sums of rows. Levels are not added up: the last of each channel counts."""

    counts: Counter[Part] = field(default_factory=Counter)
    times: defaultdict[Part, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    levels: dict[Part, dict[str, tuple[date, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Tally":
        tally = cls()
        for row in rows:
            tally.add(row)
        return tally

    def add(self, row: Row) -> None:
        is_level = row.is_level
        for part in _parts(row):
            if is_level:
                self._set_level(part, row)
            elif row.seconds is None:
                self.counts[part] += row.times
            else:
                self.times[part][row.seconds] += row.times
        if row.seconds is None and not row.is_level:
            word = unit_month(row.unit, month_of(row.day))
            self.counts[row.kind, By.UNIT_MONTH, word] += row.times

    def _set_level(self, part: Part, row: Row) -> None:
        known = self.levels.setdefault(part, {})
        if row.channel not in known or known[row.channel][0] <= row.day:
            known[row.channel] = (row.day, row.times)

    def level(self, part: Part) -> int | None:
        """The last level, of all channels together; None without one."""
        known = self.levels.get(part)
        return sum(count for _, count in known.values()) if known else None

    def words(self, kinds: Iterable[str], by: By) -> set[str]:
        """The parts of *kinds* that rows name; the empty word is the part of rows without one."""
        found = (part for parts in (self.counts, self.times, self.levels) for part in parts)
        wanted = set(kinds)
        return {word for kind, dimension, word in found if kind in wanted and dimension == by}


def _parts(row: Row) -> Iterator[Part]:
    yield row.kind, By.TOTAL, ""
    yield row.kind, By.MONTH, month_of(row.day)
    yield row.kind, By.UNIT, row.unit
    yield row.kind, By.TOPIC, row.topic
    yield row.kind, By.CHANNEL, row.channel
    yield row.kind, By.LANE, row.lane
    yield row.kind, By.DETAIL, row.detail
