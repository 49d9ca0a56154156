"""The days that a report is about."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

_DAY = timedelta(days=1)
_YEARS = re.compile(r"([1-9]\d{3})(?:-([1-9]\d{3}))?", re.ASCII)


@dataclass(frozen=True)
class Span:
    """All days from *first* to *last*, both included."""

    first: date
    last: date

    @classmethod
    def of_year(cls, year: int) -> "Span":
        """The year of administrative reports: from 15 December to 14 December."""
        return cls(date(year - 1, 12, 15), date(year, 12, 14))

    @classmethod
    def named(cls, label: str) -> "Span | None":
        """The days that the name of a report promises: `2026`, `2024-2026`; None for others."""
        if not (years := _YEARS.fullmatch(label)):
            return None
        first, last = years[1], years[2] or years[1]
        return cls(cls.of_year(int(first)).first, cls.of_year(int(last)).last)

    @property
    def length(self) -> int:
        """How many days it has."""
        return max(0, (self.last - self.first).days + 1)

    def days(self) -> set[date]:
        return {self.first + timedelta(n) for n in range(self.length)}

    def overlap(self, first: date, last: date) -> set[date]:
        """The days of the span from *first* to *last*."""
        return Span(max(first, self.first), min(last, self.last)).days()

    def months(self) -> Iterator["Span"]:
        """The parts of the span by calendar month, in order."""
        first = self.first
        while first <= self.last:
            following = (first.replace(day=1) + timedelta(32)).replace(day=1)
            yield Span(first, min(following - _DAY, self.last))
            first = following
