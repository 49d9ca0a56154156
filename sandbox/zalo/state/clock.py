"""Clock of the sandbox: it can be set, and by default it is never night for a demo."""

import time
from datetime import datetime, timedelta
from datetime import time as daytime

from channels.zalo.client.clock import Clock, vietnam_time

DAY_BEGINS, DAY_ENDS = daytime(6, 5), daytime(21, 50)
MORNING = daytime(9, 0)
SHIFT_S = (
    timedelta(hours=DAY_ENDS.hour, minutes=DAY_ENDS.minute) - timedelta(hours=MORNING.hour)
).total_seconds()


def daytime_clock(clock: Clock = time.time) -> Clock:
    """Real time by day in Vietnam; at night the time from 09:00 on, so that broadcasts are sent."""

    def now() -> float:
        real = clock()
        return real if is_day(vietnam_time(real)) else real - SHIFT_S

    return now


def is_day(here: datetime) -> bool:
    return DAY_BEGINS <= here.time() < DAY_ENDS


class SettableClock:
    """Follows another clock, with an offset."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.offset_s = 0.0

    def __call__(self) -> float:
        return self.clock() + self.offset_s

    def set(self, now: float) -> None:
        self.offset_s = now - self.clock()
