"""Send pace of mail: one level slower for each throttling answer, and back after a quiet time.

    level 0   all connections
          1   a half        2   a quarter        3   one
          4   one, a window (25 mails) a second    5   ... every 5 s    6   ... every 15 s

A level is held for HOLD_S before the next complaint counts, and given back after QUIET_S without
one. One key holds the pace of all processes; the current level follows from the time."""

from contracts.records import Record

PACE_KEY = "pace.email"
HOLD_S = 30.0
QUIET_S = 120.0
PAUSES_S = (0.0, 0.0, 0.0, 0.0, 1.0, 5.0, 15.0)
MAX_LEVEL = len(PAUSES_S) - 1


class SendPace(Record):
    """The `level` at `at` (seconds since the epoch), because of `reason`."""

    level: int = 0
    at: float = 0.0
    reason: str = ""

    def level_at(self, now: float) -> int:
        """Return the level at *now*; a clock that was set back gives level 0."""
        quiet_s = now - self.at
        return max(self.level - int(quiet_s // QUIET_S), 0) if quiet_s >= 0 else 0


FULL_PACE = SendPace()


def one_level_slower(pace: SendPace, reason: str, now: float) -> SendPace:
    """Go one level down, unless the last step is too recent."""
    level = pace.level_at(now)
    if level and now - pace.at < HOLD_S:
        return pace
    return SendPace(level=min(level + 1, MAX_LEVEL), at=now, reason=reason)


def allowed_connections(connections: int, level: int) -> int:
    """Return how many connections may be used at a level."""
    return connections if level == 0 else max(connections >> level, 1) if level < 3 else 1
