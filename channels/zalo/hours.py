"""When Zalo lets something happen: its own clock, the hours of what can wait, ends of quotas."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from secrets import SystemRandom

from contracts.vietnam import VIETNAM

Clock = Callable[[], float]
"""Seconds since the epoch."""
Chance = Callable[[], float]
"""Evenly between 0 and 1."""

OPENS, CLOSES = time(6, 0), time(21, 59)
RELEASE = time(6, 5)
POST_OPENS, POST_CLOSES = time(7, 0), time(21, 30)
POST_RELEASE = time(7, 5)
"""Template messages that are no news of somebody's own affairs: narrower than Zalo's own hours,
of which two versions are written down."""
BREAK = timedelta(minutes=5)
MINUTE_S = 60.0
JITTER_S = {"minute": 5.0, "morning": 600.0, "day": 600.0, "month": 600.0}
"""How far those who wait for the same moment are spread, so that they don't run into -32."""

chance: Chance = SystemRandom().random


class Until(StrEnum):
    """What a quota waits for."""

    MINUTE = "minute"
    MORNING = "morning"
    DAY = "day"
    MONTH = "month"


class ProviderClock:
    """Zalo's time: ours, corrected by the `Date` of its last answer."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.offset_s = 0.0
        self.learned_at = float("-inf")

    def now(self) -> float:
        """Zalo's time as far as it is known; else our own."""
        return self.clock() + self.offset_s

    def fresh(self, age_s: float) -> bool:
        """Whether Zalo told its time within the last *age_s*."""
        return 0 <= self.clock() - self.learned_at <= age_s

    def learn(self, date: str) -> None:
        """Take the `Date` of an answer; a broken one teaches nothing."""
        try:
            theirs = parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        self.learned_at = self.clock()
        self.offset_s = theirs - self.learned_at


def broadcasting(now: float) -> bool:
    """Whether broadcasts are let through at *now*."""
    return OPENS <= local(now).time() < CLOSES


def posting(now: float) -> bool:
    """Whether template messages that can wait are sent at *now*."""
    return POST_OPENS <= local(now).time() < POST_CLOSES


def posting_in_s(now: float, chance: Chance = chance) -> float:
    """How long until the next 07:05 in Vietnam, spread by chance as the broadcasts are."""
    return next_time(now, POST_RELEASE) - now + chance() * JITTER_S[Until.MORNING]


def wait_s(until: Until, now: float, chance: Chance = chance) -> float:
    """How long from *now* until that moment, spread by chance."""
    return NEXT[until](now) - now + chance() * JITTER_S[until]


def next_minute(now: float) -> float:
    return now - now % MINUTE_S + MINUTE_S


def next_morning(now: float) -> float:
    """The next 06:05 in Vietnam."""
    return next_time(now, RELEASE)


def next_time(now: float, hour: time) -> float:
    """When it is *hour* in Vietnam for the next time."""
    here = local(now)
    today = datetime.combine(here, hour, VIETNAM)
    return (today if here < today else today + timedelta(days=1)).timestamp()


def next_day(now: float) -> float:
    """Just after the next midnight in Vietnam."""
    midnight = datetime.combine(local(now), time.min, VIETNAM) + timedelta(days=1)
    return (midnight + BREAK).timestamp()


def next_month(now: float) -> float:
    """Just after the next month has begun in Vietnam."""
    first = datetime.combine(local(now).replace(day=1), time.min, VIETNAM)
    following = (first + timedelta(days=32)).replace(day=1)
    return (following + BREAK).timestamp()


def local(now: float) -> datetime:
    return datetime.fromtimestamp(now, VIETNAM)


NEXT: dict[Until, Callable[[float], float]] = {
    Until.MINUTE: next_minute,
    Until.MORNING: next_morning,
    Until.DAY: next_day,
    Until.MONTH: next_month,
}
