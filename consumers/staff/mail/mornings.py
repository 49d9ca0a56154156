"""When the mails of a morning are made: at eight on working days, in Vietnam."""

from datetime import date, datetime, time, timedelta

from contracts.base.errors import UnknownYear
from contracts.base.working_days import WorkingDays
from contracts.text.moments import VIETNAM

_HOUR = time(8)
_DAY = timedelta(days=1)
_SATURDAY = 5


def next_morning(after: datetime, days: WorkingDays) -> datetime:
    """The first morning of a working day later than *after*."""
    day = after.astimezone(VIETNAM).date()
    while not (_is_working(day, days) and _morning(day) > after):
        day += _DAY
    return _morning(day)


def last_morning(until: datetime, days: WorkingDays) -> datetime:
    """The last morning of a working day up to *until*."""
    day = until.astimezone(VIETNAM).date()
    while not (_is_working(day, days) and _morning(day) <= until):
        day -= _DAY
    return _morning(day)


def _morning(day: date) -> datetime:
    return datetime.combine(day, _HOUR, VIETNAM)


def _is_working(day: date, days: WorkingDays) -> bool:
    """Mail goes out in a year that the file does not have, too: then from Monday to Friday."""
    try:
        return days.is_working(day)
    except UnknownYear:
        return day.weekday() < _SATURDAY
