"""Clock of the sandbox: it can be set, and by default it is never night for a demo."""

import time
from datetime import time as daytime
from datetime import timedelta

from contracts.base.times import Clock, vietnam_time

DAY_BEGINS, DAY_ENDS = daytime(6, 5), daytime(21, 50)
MORNING = daytime(9, 0)
_BACK_S = (
    timedelta(hours=DAY_ENDS.hour, minutes=DAY_ENDS.minute) - timedelta(hours=MORNING.hour)
).total_seconds()
_FORWARD_S = timedelta(hours=MORNING.hour).total_seconds()


def daytime_clock(clock: Clock = time.time) -> Clock:
    """Real time by day in Vietnam; at night the time from 09:00 on, so that broadcasts are sent.

    The day is always the real one, so quotas of days and months are those that Loa counts.
    """

    def now() -> float:
        real = clock()
        here = vietnam_time(real).time()
        if here < DAY_BEGINS:
            return real + _FORWARD_S
        return real if here < DAY_ENDS else real - _BACK_S

    return now


class SettableClock:
    """Follows another clock, with an offset."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.offset_s = 0.0

    def __call__(self) -> float:
        return self.clock() + self.offset_s

    def set(self, now: float) -> None:
        self.offset_s = now - self.clock()
