"""Time: Vietnam's time zone, in which dates are shown, and the type of a clock."""

from collections.abc import Callable
from datetime import timedelta, timezone

VIETNAM = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")
Clock = Callable[[], float]
