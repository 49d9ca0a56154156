"""Clock of the sandbox: it can be set, and by default it is never night for a demo."""

import time
from datetime import datetime, timedelta
from datetime import time as daytime

from contracts.base.times import Clock, vietnam_time

_DAY_BEGINS, _DAY_ENDS = daytime(6, 5), daytime(21, 50)
_MORNING = daytime(9, 0)
_SHIFT_S = (
    timedelta(hours=_DAY_ENDS.hour, minutes=_DAY_ENDS.minute) - timedelta(hours=_MORNING.hour)
).total_seconds()


def daytime_clock(clock: Clock = time.time) -> Clock:
    """Real time by day in Vietnam; at night the time from 09:00 on, so that broadcasts are sent."""

    def now() -> float:
        real = clock()
        return real if _is_day(vietnam_time(real)) else real - _SHIFT_S

    return now


def _is_day(here: datetime) -> bool:
    return _DAY_BEGINS <= here.time() < _DAY_ENDS


class SettableClock:
    """Follows another clock, with an offset."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.offset_s = 0.0

    def __call__(self) -> float:
        return self.clock() + self.offset_s

    def set(self, now: float) -> None:
        self.offset_s = now - self.clock()
