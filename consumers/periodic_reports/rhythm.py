"""The rhythm of bulletins: in which of its weeks, months or quarters a series had an issue."""

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import date, timedelta

from consumers.periodic_reports.rows import Row
from consumers.periodic_reports.span import Span
from contracts.bulletins.series import Series

_DAY = timedelta(days=1)


def rhythm_rows(
    series: Mapping[str, Series],
    issued: Mapping[str, Sequence[date]],
    span: Span,
    counted: Set[date],
) -> Iterator[Row]:
    """A row for each period that ends in *span*, and one for each of these that has an issue.

    *issued*: the days of all issues, also before the span. Periods count from the first issue; of
    one without an issue all days have to be *counted*, else nothing is known of it.
    """
    for id, one in series.items():
        days = issued.get(id, ())
        for period in _periods(one, max(span.first, min(days, default=date.max)), span.last):
            has_issue = any(period.first <= day <= period.last for day in days)
            if has_issue or period.days() <= counted:
                yield Row(period.last, "bulletins.due", 1, detail=id)
            if has_issue:
                yield Row(period.last, "bulletins.in_time", 1, detail=id)


def _periods(series: Series, first: date, last: date) -> Iterator[Span]:
    """The periods that end from *first* to *last*, newest first."""
    found = Span(*series.last_span(last + _DAY))
    while found.last >= first:
        yield found
        found = Span(*series.last_span(found.first))
