"""Feeds of units that can't be read, by what the import service keeps of each."""

from pydantic import BaseModel

from consumers.status.findings import StaleFeed
from contracts import subjects
from contracts.base.times import utc_time
from producers.bus import Bus
from producers.bus.records import parse

_STALE_FAILURES, _STALE_AFTER_S = 5, 172800.0
"""From when on a feed can't be read; the alarm LoaFeedStale has the same."""


class _FeedHealth(BaseModel):
    """A part of the state of a feed; see `producers.imports`."""

    read: float = 0.0
    failures: int = 0

    def is_stale(self, now: float) -> bool:
        """Whether five visits in a row failed, or none has succeeded for two days."""
        return self.failures >= _STALE_FAILURES or 0 < self.read < now - _STALE_AFTER_S


async def stale_feeds(bus: Bus, now: float) -> tuple[StaleFeed, ...]:
    """The feeds that can't be read, by name; an unreadable state counts as lost."""
    found = []
    async for name, value in bus.bucket(subjects.IMPORTS.name).values():
        health = parse(_FeedHealth, value.data)
        if health and health.is_stale(now):
            since = utc_time(round(health.read)) if health.read else None
            found.append(StaleFeed(name, since))
    return tuple(sorted(found, key=lambda feed: feed.name))
