"""Hourly quota of transactional mail that strangers may cause, for all processes together.

The daily limit protects one address; this quota protects a list of addresses. Bucket `control`."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from contracts import subjects
from contracts.records import Record
from contracts.subscriptions.errors import MailQuotaReached
from producers.bus import Bus, records

log = structlog.get_logger()
QUOTA_KEY = "letters.email"
HOUR_S = 3600.0


class Share(StrEnum):
    """The part of an hour's count that a mail belongs to: strangers', readers', or none."""

    STRANGERS = "letters"
    READERS = "readers"
    WITHHELD = "withheld"


class HourlyCount(Record):
    """The count of one hour, numbered from the epoch."""

    hour: int = 0
    letters: int = 0
    readers: int = 0
    withheld: int = 0

    def with_more(self, hour: int, wanted: int, limit: int) -> "HourlyCount":
        """Add *wanted* mails up to *limit*; a clock that was set back adds none."""
        begun = self.at(hour)
        count = max(begun.letters, min(limit, begun.letters + wanted))
        return begun.model_copy(update={"letters": count})

    def access_share(self, hour: int, limit: int, *, is_reader: bool) -> Share | None:
        """The share of a request for the way in; None when the readers' share is used up."""
        begun = self.at(hour)
        if begun.readers >= limit:
            return None
        if is_reader:
            return Share.READERS
        return Share.STRANGERS if begun.letters < limit else Share.WITHHELD

    def with_change(self, hour: int, share: Share | None, change: int) -> "HourlyCount":
        """Add *change* mails to a share."""
        begun = self.at(hour)
        if share is None:
            return begun
        return begun.model_copy(update={share: max(0, getattr(begun, share) + change)})

    def at(self, hour: int) -> "HourlyCount":
        """The count in *hour*; a clock that was set back stays in the later one."""
        return self if hour <= self.hour else HourlyCount(hour=hour)


@dataclass
class HourlyMailQuota:
    """The quota of all processes together; `per_hour` = 0 means no limit.

    Strangers have one share, readers who ask for their way in another of the same size.
    Callers that wait for the bus share the next write, so a process has one write at a time.
    """

    bus: Bus
    per_hour: int
    clock: Callable[[], float] = time.time
    logged_hours: dict[Share, int] = field(default_factory=dict)  # whose exhaustion is logged
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
            raise self.exhausted(hour, Share.STRANGERS)
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

        await self._update(count_waiting)
        return got

    async def take_access(self, *, is_reader: bool) -> Share:
        """Count the answer to a request for the way in; WITHHELD for one that is not to be sent.

        It is one write for every address alike. Raises BusError, and MailQuotaReached when the
        readers' share is used up, also for a stranger.
        """
        if not self.per_hour:
            return Share.READERS if is_reader else Share.STRANGERS
        shares: list[Share | None] = []
        hour = int(self.clock() // HOUR_S)

        def count(before: HourlyCount) -> HourlyCount:
            shares.append(before.access_share(hour, self.per_hour, is_reader=is_reader))
            return before.with_change(hour, shares[-1], 1)

        async with self.lock:
            await self._update(count)
        share = shares[-1]  # of the write that succeeded
        if share is None:
            raise self.exhausted(hour, Share.READERS)
        return share

    async def give_back_access(self, share: Share) -> None:
        """Take back the count of a mail that is not sent. Raises BusError."""
        if self.per_hour:
            hour = int(self.clock() // HOUR_S)
            async with self.lock:
                await self._update(lambda before: before.with_change(hour, share, -1))

    async def _update(self, change: Callable[[HourlyCount], HourlyCount]) -> None:
        bucket = self.bus.bucket(subjects.CONTROL.name)
        await records.update_or_create(bucket, QUOTA_KEY, HourlyCount, change)

    def exhausted(self, hour: int, share: Share) -> MailQuotaReached:
        if self.logged_hours.get(share) != hour:
            self.logged_hours[share] = hour
            log.error("letters_capped", per_hour=self.per_hour, quota=share.value)
        return MailQuotaReached(HOUR_S - self.clock() % HOUR_S)
