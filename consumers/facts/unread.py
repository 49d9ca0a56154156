"""Since when facts are behind: by the oldest unread message, or a past day that is not closed."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from consumers.facts.days import countable_from, last_day
from consumers.facts.follow import FactPositions, read_positions
from consumers.facts.sources import Decisions, Deliveries, Releases
from contracts.base.times import Clock
from producers.bus import Bus

_READ_AT_ONCE = (Releases, Decisions, Deliveries)
"""The sources of which each round reads all; the others are read when a day is over."""


async def unread_since(bus: Bus, clock: Clock) -> datetime | None:
    """When the oldest unread message was stored, or since when an open day could be closed.

    None where everything is read. A source that can't be read keeps its day open.
    """
    positions = await read_positions(bus)
    found = [moment async for moment in _unread(bus, positions)]
    if positions.closed and positions.closed < last_day(clock):
        found.append(countable_from(positions.closed + timedelta(days=1)))
    return min(found, default=None)


async def _unread(bus: Bus, positions: FactPositions) -> AsyncIterator[datetime]:
    for one in _READ_AT_ONCE:
        if message := await bus.next_message(one.stream, positions.of(one.kind).seq + 1):
            yield message.time
