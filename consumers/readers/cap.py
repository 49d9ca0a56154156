"""How many letters strangers may cause in an hour, to whatever addresses: bucket `control`.

An address gets three a day; but whoever has a list of addresses could have us write to all of them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from consumers import register
from contracts import subjects
from contracts.records import Record
from producers.bus import Bus

log = structlog.get_logger()
KEY = "letters.email"
HOUR_S = 3600.0


class Hour(Record):
    """What has left in one hour, counted from the epoch."""

    hour: int = 0
    letters: int = 0

    def another(self, hour: int, most: int) -> "Hour":
        """With one letter more, if there is room; a clock that was set back makes none."""
        if hour > self.hour:
            return Hour(hour=hour, letters=1)
        return self if self.letters >= most else Hour(hour=self.hour, letters=self.letters + 1)


@dataclass
class Cap:
    """Counts for all processes together. `per_hour` = 0: as many as there are."""

    bus: Bus
    per_hour: int
    clock: Callable[[], float] = time.time
    told: int = 0  # the hour of which the log has been told

    async def take(self) -> bool:
        """Whether one more may leave; then it is counted. Raises BusError."""
        if not self.per_hour:
            return True
        hour = int(self.clock() // HOUR_S)

        def move(found: Hour | None) -> Hour:
            return (found or Hour()).another(hour, self.per_hour)

        bucket = self.bus.bucket(subjects.CONTROL.name)
        if (await register.change(bucket, KEY, Hour, move)).fresh:
            return True
        if self.told != hour:
            self.told = hour
            log.error("letters_capped", per_hour=self.per_hour)
        return False
