"""Months in Vietnam, written like 2026-11, and times in microseconds since 1970."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from contracts.text.moments import VIETNAM

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEPT = 512
"""Results that are kept: storing an item asks for its month dozens of times."""


def to_microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


@lru_cache(maxsize=_KEPT)
def month_of(microseconds: int) -> str:
    return f"{from_microseconds(microseconds).astimezone(VIETNAM):%Y-%m}"


@lru_cache(maxsize=_KEPT)
def month_bounds(month: str) -> tuple[int, int]:
    """First microsecond of *month*, and of the month after."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=VIETNAM)
    following = (first + timedelta(days=31)).replace(day=1)
    return to_microseconds(first), to_microseconds(following)
