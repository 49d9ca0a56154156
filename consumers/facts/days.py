"""Days in Vietnam by which facts are counted."""

from datetime import date, datetime, time, timedelta

from contracts.base.times import Clock, vietnam_time
from contracts.text.moments import VIETNAM

_LATE_S = 3600.0
"""A day is counted an hour after its end, when every replica has all of it."""


def open_day(clock: Clock) -> date:
    """The first day that may not be counted yet."""
    return vietnam_time(clock() - _LATE_S).date()


def last_day(clock: Clock) -> date:
    """The last day that is over and may be counted."""
    return open_day(clock) - timedelta(days=1)


def midnight(day: date) -> datetime:
    """The moment at which *day* begins."""
    return datetime.combine(day, time(), VIETNAM)


def countable_from(day: date) -> datetime:
    """The moment from which *day* may be counted."""
    return midnight(day + timedelta(days=1)) + timedelta(seconds=_LATE_S)
