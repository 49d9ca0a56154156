"""How fast mail may leave: slower each time that somebody finds us too fast, and back by itself.

    level 0   all connections
          1   a half        2   a quarter        3   one
          4   one, a window (25 mails) a second    5   ... every 5 s    6   ... every 15 s

A level is held for HOLD_S before a further complaint counts, and given back after QUIET_S without
one. One key says it for all processes; what it means now follows from the time.
"""

from contracts.records import Record

KEY = "pace.email"
HOLD_S = 30.0
QUIET_S = 120.0
PAUSES_S = (0.0, 0.0, 0.0, 0.0, 1.0, 5.0, 15.0)
SLOWEST = len(PAUSES_S) - 1


class Pace(Record):
    """`level` at `at` (seconds since the epoch), because of `reason`."""

    level: int = 0
    at: float = 0.0
    reason: str = ""

    def now(self, now: float) -> int:
        """The level at this moment. A clock that was set back holds nobody up."""
        quiet_s = now - self.at
        return max(self.level - int(quiet_s // QUIET_S), 0) if quiet_s >= 0 else 0


FULL = Pace()


def slower(pace: Pace, reason: str, now: float) -> Pace:
    """Somebody finds us too fast."""
    level = pace.now(now)
    if level and now - pace.at < HOLD_S:
        return pace
    return Pace(level=min(level + 1, SLOWEST), at=now, reason=reason)


def places(connections: int, level: int) -> int:
    """How many connections may be in work at a level."""
    return connections if level == 0 else max(connections >> level, 1) if level < 3 else 1
