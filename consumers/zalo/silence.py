"""Notices that Zalo has fallen silent: messages go out, and the webhook hears nothing.

After five failures Zalo switches a webhook off without a word, and nobody would know.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from consumers.zalo.hearing import Hearing
from contracts import subjects
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_S = 900.0


def silent(
    sent_at: datetime | None, heard_at: datetime, now: datetime, limit: timedelta
) -> timedelta | None:
    """How long Zalo has been silent, if that is too long, and something went out meanwhile."""
    since = now - heard_at
    return since if sent_at and sent_at > heard_at and since >= limit else None


@dataclass
class SilenceWatch:
    """Watches over one application's webhook; says it again after every further *limit*."""

    bus: Bus
    app_id: str
    limit: timedelta
    clock: Callable[[], float]
    told_at: datetime | None = None

    async def run(self) -> None:
        """As a task; without a limit nobody watches."""
        while self.limit:
            try:
                await self.look()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        now = datetime.fromtimestamp(self.clock(), UTC)
        heard_at = await self.heard_at()
        lasts = silent(await self.sent_at(), heard_at, now, self.limit)
        if lasts is None or (self.told_at and now - self.told_at < self.limit):
            return
        self.told_at = now
        hours = round(lasts / timedelta(hours=1), 1)
        log.warning("zalo_webhook_silent", since=heard_at.isoformat(), hours=hours)

    async def heard_at(self) -> datetime:
        """The last event; before the first one, since when there could have been any."""
        if heard := await Hearing(self.bus).last_at():
            return heard
        info = await self.bus.stream_info(subjects.RECEIPTS.name)
        return datetime.fromisoformat(info["created"])

    async def sent_at(self) -> datetime | None:
        """When an article, a broadcast or a template message last went out, or was tried.

        Each is counted before it is made, so the counts say when.
        """
        counts = self.bus.bucket(subjects.CONTROL.name).values(f"quota.zalo.{self.app_id}.")
        return max([value.created async for _, value in counts], default=None)
