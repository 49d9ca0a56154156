"""Days in Vietnam by which facts are counted."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from contracts.base.times import Clock, vietnam_time
from contracts.text.moments import VIETNAM

_LATE_S = 3600.0
"""A day is told an hour after its end, when every replica has it whole."""


def open_day(clock: Clock) -> date:
    """The first day that is not told yet."""
    return vietnam_time(clock() - _LATE_S).date()


def last_day(clock: Clock) -> date:
    """The last day that is over and may be told."""
    return open_day(clock) - timedelta(days=1)


def midnight(day: date) -> datetime:
    """The moment at which *day* begins."""
    return datetime.combine(day, time(), VIETNAM)


def days_between(first: date, last: date) -> Iterator[date]:
    """The days from *first* to *last*, both included."""
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)
