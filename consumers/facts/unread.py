"""Since when facts are behind: the oldest message of a log or the ledger that no round has read."""

from datetime import datetime

from consumers.facts.follow import read_positions
from consumers.facts.sources import Decisions, Deliveries, Releases
from producers.bus import Bus

_READ_AT_ONCE = (Releases, Decisions, Deliveries)
"""The sources of which each round reads all; the others are read when a day is over."""


async def unread_since(bus: Bus) -> datetime | None:
    """When the oldest unread message was stored; None where every message is read."""
    positions = await read_positions(bus)
    unread = [
        await bus.next_message(one.stream, positions.of(one.kind).seq + 1) for one in _READ_AT_ONCE
    ]
    return min((message.time for message in unread if message), default=None)
