"""The rhythm of bulletins: in which of its weeks, months or quarters a series had an issue."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from consumers.periodic_reports.rows import Row
from consumers.periodic_reports.span import Span
from contracts.bulletins.series import Series

_DAY = timedelta(days=1)


def rhythm_rows(
    series: Mapping[str, Series], issued: Mapping[str, Sequence[date]], span: Span
) -> Iterator[Row]:
    """A row for each period that ends in *span*, and one for each of these that has an issue.

    *issued*: the days of all issues, also before the span. Periods count from the first issue.
    """
    for id, one in series.items():
        days = issued.get(id, ())
        for period in _periods(one, max(span.first, min(days, default=date.max)), span.last):
            yield Row(period.last, "bulletins.due", 1, detail=id)
            if any(period.first <= day <= period.last for day in days):
                yield Row(period.last, "bulletins.in_time", 1, detail=id)


def _periods(series: Series, first: date, last: date) -> Iterator[Span]:
    """The periods that end from *first* to *last*, newest first."""
    found = Span(*series.last_span(last + _DAY))
    while found.last >= first:
        yield found
        found = Span(*series.last_span(found.first))
