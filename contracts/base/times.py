"""Clocks, and the time that a clock shows."""

from collections.abc import Callable
from datetime import UTC, datetime

from contracts.text.moments import VIETNAM

Clock = Callable[[], float]
"""Returns seconds since the epoch."""


def utc_time(seconds: float) -> datetime:
    """Seconds since the epoch as an aware time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def vietnam_time(seconds: float) -> datetime:
    """Seconds since the epoch as an aware time in Vietnam."""
    return datetime.fromtimestamp(seconds, VIETNAM)


def utc_now(clock: Clock) -> datetime:
    """The clock's time in UTC."""
    return utc_time(clock())


def format_date(at: datetime) -> str:
    """A date as Vietnamese readers write it."""
    return f"{at.astimezone(VIETNAM):%d/%m/%Y}"


def format_utc(at: datetime) -> str:
    """A point in time as logs have it: `2026-11-26T08:00:00Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
