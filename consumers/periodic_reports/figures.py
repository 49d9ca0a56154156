"""Figures of a report, worked out from a tally; a figure without data has a reason, not a 0."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from consumers.periodic_reports.from_facts import FACT_ROW_KINDS
from consumers.periodic_reports.indicators import How, Indicator
from consumers.periodic_reports.rows import Gap
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.tally import By, Tally, month_of, unit_month

_NONE_HAPPENED = "none_happened"
"""The reason of a share or a duration of nothing."""
_NO_LEVEL = "not_recorded"
_NOT_ON_CHANNEL = "not_on_channel"
_TENTH = Decimal("0.1")


@dataclass(frozen=True)
class Figure:
    """A value, or the reason why there is none."""

    value: Decimal | None = None
    reason: str = ""
    missing_days: int = 0
    """Days of the span that the value does not cover."""


@dataclass(frozen=True)
class Figures:
    """All figures of one span."""

    span: Span
    tally: Tally
    gaps: Sequence[Gap] = ()
    units: Collection[str] = ()
    """All units of the span, also those without a row."""
    _missing_known: dict[tuple[tuple[str, ...], Span], tuple[str, int]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def figure(self, indicator: Indicator, by: By = By.TOTAL, word: str = "") -> Figure:
        """The figure of a part: `By.MONTH, "2026-03"`."""
        span = self._span_of(by, word)
        reason, missing = self._missing(indicator, span)
        if missing == span.length:
            return Figure(reason=reason, missing_days=missing)
        if by is By.CHANNEL and word in indicator.not_on:
            return Figure(reason=_NOT_ON_CHANNEL, missing_days=missing)
        value = self._value(indicator, by, word)
        if value is None:
            none = (reason or _NO_LEVEL) if indicator.how is How.LEVEL else _NONE_HAPPENED
            return Figure(reason=none, missing_days=missing)
        return Figure(value, missing_days=missing)

    def counted_days(self, kinds: Iterable[str] = FACT_ROW_KINDS) -> set[date]:
        """The days on which at least one of *kinds* was counted."""
        counted = set[date]()
        for kind in kinds:
            gaps = (gap for gap in self.gaps if gap.covers(kind))
            lost = (self.span.overlap(gap.first, gap.last) for gap in gaps)
            counted |= self.span.days().difference(*lost)
        return counted

    def words(self, indicators: Iterable[Indicator], by: By) -> list[str]:
        """The parts that have rows; of months, all of the span."""
        if by is By.MONTH:
            return [month_of(month.first) for month in self.span.months()]
        kinds = (kind for indicator in indicators for kind in indicator.all_kinds)
        return sorted(self.tally.words(kinds, by))

    def _value(self, indicator: Indicator, by: By, word: str) -> Decimal | None:
        match indicator.how:
            case How.PRESENCE:
                return self._presence(indicator, by, word)
            case How.COVERAGE:
                having = sum(self._has(indicator, By.UNIT, unit) for unit in self.units)
                return percent(Decimal(having), Decimal(len(self.units)))
        return _RULES[indicator.how](self.tally, indicator, by, word)

    def _presence(self, indicator: Indicator, by: By, word: str) -> Decimal | None:
        """Of all units together, or of one; a month without data is none of the months."""
        spans = [one for one in self.span.months() if not self._lacks_all(indicator, one)]
        months = [month_of(month.first) for month in spans]
        if by is By.UNIT:
            having = [self._has(indicator, By.UNIT_MONTH, unit_month(word, one)) for one in months]
        else:
            having = [self._has(indicator, By.MONTH, one) for one in months]
        return percent(Decimal(sum(having)), Decimal(len(months)))

    def _lacks_all(self, indicator: Indicator, span: Span) -> bool:
        return self._missing(indicator, span)[1] == span.length

    def _has(self, indicator: Indicator, by: By, word: str) -> bool:
        return _count(self.tally, indicator.kinds, by, word) > 0

    def _span_of(self, by: By, word: str) -> Span:
        if by is not By.MONTH:
            return self.span
        return next(month for month in self.span.months() if month_of(month.first) == word)

    def _missing(self, indicator: Indicator, span: Span) -> tuple[str, int]:
        """The reason and the number of the days of *span* without data of any of the kinds.

        The reason is that of the gap with the most days, of several the first.
        """
        asked = indicator.all_kinds, span
        if asked not in self._missing_known:
            self._missing_known[asked] = self._find_missing(*asked)
        return self._missing_known[asked]

    def _find_missing(self, kinds: Iterable[str], span: Span) -> tuple[str, int]:
        lost = [
            (gap.reason, days)
            for gap in self.gaps
            if any(map(gap.covers, kinds)) and (days := span.overlap(gap.first, gap.last))
        ]
        reason = max(lost, key=lambda gap: len(gap[1]))[0] if lost else ""
        return reason, len(set[date]().union(*(days for _, days in lost)))


def _sum(tally: Tally, indicator: Indicator, by: By, word: str) -> Decimal:
    return Decimal(_count(tally, indicator.kinds, by, word))


def _level(tally: Tally, indicator: Indicator, by: By, word: str) -> Decimal | None:
    levels = [tally.level((kind, by, word)) for kind in indicator.kinds]
    known = [level for level in levels if level is not None]
    return Decimal(sum(known)) if known else None


def _share(tally: Tally, indicator: Indicator, by: By, word: str) -> Decimal | None:
    part, whole = (_count(tally, kinds, by, word) for kinds in (indicator.kinds, indicator.of))
    return percent(Decimal(part), Decimal(whole))


def _quantile(tenths: int) -> Callable[[Tally, Indicator, By, str], Decimal | None]:
    """The nearest rank: the least duration that so many tenths do not exceed."""

    def rule(tally: Tally, indicator: Indicator, by: By, word: str) -> Decimal | None:
        times = Counter[int]()
        for kind in indicator.kinds:
            times.update(tally.times.get((kind, by, word), {}))
        rank, seen = -(-times.total() * tenths // 10), 0
        for seconds, count in sorted(times.items()):
            seen += count
            if seen >= rank:
                return Decimal(seconds)
        return None

    return rule


_RULES: dict[How, Callable[[Tally, Indicator, By, str], Decimal | None]] = {
    How.SUM: _sum,
    How.LEVEL: _level,
    How.SHARE: _share,
    How.MEDIAN: _quantile(5),
    How.P90: _quantile(9),
}


def _count(tally: Tally, kinds: Iterable[str], by: By, word: str) -> int:
    return sum(tally.counts[kind, by, word] for kind in kinds)


def percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """*part* in percent of *whole*, to a tenth; None of nothing."""
    if not whole:
        return None
    return (part * 100 / whole).quantize(_TENTH, ROUND_HALF_UP)
