"""Hourly quota of transactional mail that strangers may cause, for all processes together.

The daily limit protects one address; this quota protects a list of addresses. Bucket `control`."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from contracts import subjects
from contracts.records import Record
from contracts.subscriptions.errors import MailQuotaReached
from producers.bus import Bus, records

log = structlog.get_logger()
QUOTA_KEY = "letters.email"
HOUR_S = 3600.0


class HourlyCount(Record):
    """The count of one hour, numbered from the epoch."""

    hour: int = 0
    letters: int = 0

    def with_more(self, hour: int, wanted: int, limit: int) -> "HourlyCount":
        """Add *wanted* mails up to *limit*; a clock that was set back adds none."""
        begun = self if hour <= self.hour else HourlyCount(hour=hour)
        count = max(begun.letters, min(limit, begun.letters + wanted))
        return begun.model_copy(update={"letters": count})


@dataclass
class HourlyMailQuota:
    """The quota of all processes together; `per_hour` = 0 means no limit.

    Callers that wait for the bus share the next write, so a process has one write at a time.
    """

    bus: Bus
    per_hour: int
    clock: Callable[[], float] = time.time
    logged_hour: int = 0  # the hour whose exhaustion is logged
    waiting_callers: int = 0
    reserved: int = 0  # counted on the bus, not used yet
    reserved_hour: int = 0  # the hour of `reserved`
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(self) -> int:
        """Count one mail; return its hour. Raises BusError, MailQuotaReached when none is left."""
        if not self.per_hour:
            return 0
        self.waiting_callers += 1
        try:
            async with self.lock:
                return await self.take_reserved()
        finally:
            self.waiting_callers -= 1

    async def take_reserved(self) -> int:
        hour = int(self.clock() // HOUR_S)
        if self.reserved_hour != hour or not self.reserved:
            self.reserved, self.reserved_hour = await self.reserve(hour), hour
        if not self.reserved:
            raise self.exhausted(hour)
        self.reserved -= 1
        return hour

    def give_back(self, hour: int) -> None:
        """Return a counted mail that is not sent: the next one here is not counted."""
        if hour == self.reserved_hour and self.per_hour:
            self.reserved += 1

    async def reserve(self, hour: int) -> int:
        """Count a mail for every waiting caller; return how many may be sent."""
        got = 0

        def count_waiting(before: HourlyCount) -> HourlyCount:
            nonlocal got
            after = before.with_more(hour, self.waiting_callers, self.per_hour)
            got = after.letters - (before.letters if after.hour == before.hour else 0)
            return after

        await records.update_or_create(
            self.bus.bucket(subjects.CONTROL.name), QUOTA_KEY, HourlyCount, count_waiting
        )
        return got

    def exhausted(self, hour: int) -> MailQuotaReached:
        if self.logged_hour != hour:
            self.logged_hour = hour
            log.error("letters_capped", per_hour=self.per_hour)
        return MailQuotaReached(HOUR_S - self.clock() % HOUR_S)
