"""How many letters strangers may cause in an hour, to whatever addresses: bucket `control`.

An address gets three a day; but whoever has a list of addresses could have us write to all of them.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from consumers import register
from contracts import subjects
from contracts.letter import NoLetterNow
from contracts.records import Record
from producers.bus import Bus

log = structlog.get_logger()
KEY = "letters.email"
HOUR_S = 3600.0


class Hour(Record):
    """What has left in one hour, counted from the epoch."""

    hour: int = 0
    letters: int = 0

    def more(self, hour: int, wanted: int, most: int) -> "Hour":
        """With so many letters more, as far as there is room; a clock set back makes none."""
        begun = self if hour <= self.hour else Hour(hour=hour)
        letters = max(begun.letters, min(most, begun.letters + wanted))
        return begun.model_copy(update={"letters": letters})


@dataclass
class Cap:
    """Counts for all processes together. `per_hour` = 0: as many as there are.

    Whoever waits while the bus is asked for one shares the next question: however many people
    press at once, a process asks one thing at a time.
    """

    bus: Bus
    per_hour: int
    clock: Callable[[], float] = time.time
    told: int = 0  # the hour of which the log has been told
    waiting: int = 0
    spare: int = 0  # counted on the bus, used by nobody yet
    spare_of: int = 0  # the hour of `spare`
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(self) -> int:
        """Count one letter; the hour in which. Raises BusError, NoLetterNow where that is full."""
        if not self.per_hour:
            return 0
        self.waiting += 1
        try:
            async with self.lock:
                return await self.use()
        finally:
            self.waiting -= 1

    async def use(self) -> int:
        hour = int(self.clock() // HOUR_S)
        if self.spare_of != hour or not self.spare:
            self.spare, self.spare_of = await self.booked(hour), hour
        if not self.spare:
            raise self.used_up(hour)
        self.spare -= 1
        return hour

    def give_back(self, hour: int) -> None:
        """A letter that `take` has counted does not leave: the next one here is not counted."""
        if hour == self.spare_of and self.per_hour:
            self.spare += 1

    async def booked(self, hour: int) -> int:
        """Count a letter for everybody who waits; how many may leave."""
        got = 0

        def move(found: Hour | None) -> Hour:
            nonlocal got
            before = found or Hour()
            after = before.more(hour, self.waiting, self.per_hour)
            got = after.letters - (before.letters if after.hour == before.hour else 0)
            return after

        await register.change(self.bus.bucket(subjects.CONTROL.name), KEY, Hour, move)
        return got

    def used_up(self, hour: int) -> NoLetterNow:
        if self.told != hour:
            self.told = hour
            log.error("letters_capped", per_hour=self.per_hour)
        return NoLetterNow(HOUR_S - self.clock() % HOUR_S)
