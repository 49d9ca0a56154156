"""Months in Vietnam, written like 2026-11, and the microseconds of their shelves."""

from datetime import UTC, datetime, timedelta

from contracts.vietnam import VIETNAM

_START = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def ticks(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - _START) // _TICK


def moment(count: int) -> datetime:
    return _START + count * _TICK


def month_of(count: int) -> str:
    return f"{moment(count).astimezone(VIETNAM):%Y-%m}"


def bounds(month: str) -> tuple[int, int]:
    """The month's first tick, and that of the next month."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=VIETNAM)
    following = (first + timedelta(days=31)).replace(day=1)
    return ticks(first), ticks(following)
