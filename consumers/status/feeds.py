"""Feeds of units that can't be read, by what the import service keeps of each."""

from pydantic import BaseModel

from consumers.status.findings import StaleFeed
from contracts import subjects
from contracts.base.times import utc_time
from contracts.errors import FieldError
from producers.bus import Bus
from producers.bus.records import parse

_STALE_FAILURES, _STALE_AFTER_S = 5, 172800.0
"""From when on a feed can't be read; the alarm LoaFeedStale has the same."""


class FeedHealth(BaseModel):
    """A part of the state of a feed; see `producers.imports`."""

    title: str = ""
    read: float = 0.0
    failures: int = 0
    stopped: bool = False
    trouble: FieldError | None = None
    held: tuple[str, ...] = ()

    def is_stale(self, now: float) -> bool:
        """Whether five visits in a row failed, or none has succeeded for two days."""
        return self.failures >= _STALE_FAILURES or 0 < self.read < now - _STALE_AFTER_S


async def stale_feeds(bus: Bus, now: float) -> tuple[StaleFeed, ...]:
    """The feeds that can't be read, by name; an unreadable state counts as lost."""
    return tuple(
        StaleFeed(name, utc_time(round(health.read)) if health.read else None)
        for name, health in (await load_feeds(bus)).items()
        if health.is_stale(now)
    )


async def load_feeds(bus: Bus) -> dict[str, FeedHealth]:
    """Every feed by name, `<unit>.<feed_id>`; a state that can't be read is left out."""
    values = bus.bucket(subjects.IMPORTS.name).values()
    found = {name: parse(FeedHealth, value.data) async for name, value in values}
    return {name: health for name, health in sorted(found.items()) if health}
