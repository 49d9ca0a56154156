"""Warn when Zalo's webhook is silent although messages go out.

Zalo disables a webhook after five failures without telling."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from consumers.zalo.event_publisher import ZaloEventPublisher
from contracts import subjects
from contracts.base.times import utc_now
from producers.bus import Bus
from producers.bus.periodic import every

log = structlog.get_logger()
INTERVAL_S = 900.0


def silence_duration(
    sent_at: datetime | None, last_event_at: datetime, now: datetime, limit: timedelta
) -> timedelta | None:
    """Return how long the webhook has been silent, if too long although messages went out."""
    since = now - last_event_at
    return since if sent_at and sent_at > last_event_at and since >= limit else None


@dataclass
class WebhookWatchdog:
    """Watches one application's webhook; warns again after every further *limit*."""

    bus: Bus
    app_id: str
    limit: timedelta
    clock: Callable[[], float]
    warned_at: datetime | None = None

    async def run(self) -> None:
        """Run as a task; without a limit it ends at once."""
        if self.limit:
            await every(INTERVAL_S, self.check)

    async def check(self) -> None:
        now, since = utc_now(self.clock), await self.silent_since()
        if since is None or (self.warned_at and now - self.warned_at < self.limit):
            return
        self.warned_at = now
        hours = round((now - since) / timedelta(hours=1), 1)
        log.warning("zalo_webhook_silent", since=since.isoformat(), hours=hours)

    async def silent_since(self) -> datetime | None:
        """The last event, if the webhook has been silent for too long since. Raises BusError."""
        last_event_at, now = await self.last_event_at(), utc_now(self.clock)
        silence = silence_duration(await self.last_sent_at(), last_event_at, now, self.limit)
        return last_event_at if silence else None

    async def last_event_at(self) -> datetime:
        """Return the time of the last event, or of the stream's creation."""
        if event_at := await ZaloEventPublisher(self.bus).last_event_at():
            return event_at
        info = await self.bus.stream_info(subjects.RECEIPTS.name)
        return datetime.fromisoformat(info["created"])

    async def last_sent_at(self) -> datetime | None:
        """Return when an article, a broadcast or a template message was last attempted.

        Each attempt is counted before it is made, so the counters' times tell.
        """
        counts = self.bus.bucket(subjects.CONTROL.name).values(f"quota.zalo.{self.app_id}.")
        return max([value.created async for _, value in counts], default=None)
