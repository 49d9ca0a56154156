"""Zalo's clock: corrected time, hours of broadcasts and templates, ends of quota periods."""

import asyncio
import time as system_time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial
from secrets import SystemRandom

from contracts.base.times import Clock, vietnam_time
from contracts.text.moments import VIETNAM

Sleep = Callable[[float], Awaitable[None]]
Jitter = Callable[[], float]
"""Random fractions, evenly between 0 and 1."""

_BROADCAST_OPENS, _BROADCAST_CLOSES = time(6, 0), time(21, 59)
_BROADCAST_RELEASE = time(6, 5)
_TEMPLATE_OPENS, _TEMPLATE_CLOSES = time(7, 0), time(21, 30)
_TEMPLATE_RELEASE = time(7, 5)
"""Hours of template messages that are not about a person's own affairs. Zalo documents its own
hours in two versions; these are within both.
"""
_MIDNIGHT_MARGIN = timedelta(minutes=5)
_MINUTE_S = 60.0

jitter: Jitter = SystemRandom().random
SETTLE_S = 600.0
POLLS_S = (0.5, 1.0, 2.0, 3.0, 4.0)


@dataclass(frozen=True, slots=True)
class Timing:
    """Clock, pauses and jitter of the channel, handed in so that tests need no real clock.

    `settle_s`: after it a request without an answer can have no late effect. `polls_s`: pauses
    between checks of an article in processing, until the row is deferred.
    """

    settle_s: float = SETTLE_S
    polls_s: tuple[float, ...] = POLLS_S
    sleep: Sleep = asyncio.sleep
    clock: Clock = system_time.time
    jitter: Jitter = jitter


class Until(StrEnum):
    """The moment at which a quota is available again, or an hour has come."""

    MINUTE = "minute"
    MORNING = "morning"
    TEMPLATE_HOURS = "template hours"
    DAY = "day"
    MONTH = "month"

    @property
    def spread_s(self) -> float:
        """Spread of retries at the same moment, so that they do not run into the rate limit."""
        return 5.0 if self is Until.MINUTE else 600.0


@dataclass
class ProviderClock:
    """Zalo's time: our clock, corrected by the `Date` of Zalo's last answer."""

    clock: Clock
    offset_s: float = 0.0
    synced_at: float = float("-inf")

    def now(self) -> float:
        """Zalo's time as far as known; otherwise our own."""
        return self.clock() + self.offset_s

    def is_fresh(self, age_s: float) -> bool:
        """Whether Zalo's time was received within the last *age_s*."""
        return 0 <= self.clock() - self.synced_at <= age_s

    def sync(self, date: str) -> None:
        """Correct the clock by the `Date` of an answer; a malformed date is ignored."""
        try:
            provider_time = parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        self.synced_at = self.clock()
        self.offset_s = provider_time - self.synced_at


def is_broadcast_time(now: float) -> bool:
    """Whether Zalo accepts broadcasts at *now*."""
    return _BROADCAST_OPENS <= vietnam_time(now).time() < _BROADCAST_CLOSES


def is_template_time(now: float) -> bool:
    """Whether template messages with limited hours are sent at *now*."""
    return _TEMPLATE_OPENS <= vietnam_time(now).time() < _TEMPLATE_CLOSES


def wait_s(until: Until, now: float, jitter: Jitter = jitter) -> float:
    """Seconds from *now* until that moment, with jitter."""
    return _NEXT_TIME[until](now) - now + jitter() * until.spread_s


def next_minute(now: float) -> float:
    return now - now % _MINUTE_S + _MINUTE_S


def _next_time(now: float, hour: time) -> float:
    """The next time it is *hour* in Vietnam."""
    local_time = vietnam_time(now)
    today = datetime.combine(local_time, hour, VIETNAM)
    return (today if local_time < today else today + timedelta(days=1)).timestamp()


def _next_day(now: float) -> float:
    """Just after the next midnight in Vietnam."""
    midnight = datetime.combine(vietnam_time(now), time.min, VIETNAM) + timedelta(days=1)
    return (midnight + _MIDNIGHT_MARGIN).timestamp()


def _next_month(now: float) -> float:
    """Just after the start of the next month in Vietnam."""
    first = datetime.combine(vietnam_time(now).replace(day=1), time.min, VIETNAM)
    following = (first + timedelta(days=32)).replace(day=1)
    return (following + _MIDNIGHT_MARGIN).timestamp()


_NEXT_TIME: dict[Until, Callable[[float], float]] = {
    Until.MINUTE: next_minute,
    Until.MORNING: partial(_next_time, hour=_BROADCAST_RELEASE),
    Until.TEMPLATE_HOURS: partial(_next_time, hour=_TEMPLATE_RELEASE),
    Until.DAY: _next_day,
    Until.MONTH: _next_month,
}
