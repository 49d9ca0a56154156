"""Scan watermark: the sequence in the ledger's bucket before which every batch is closed.

A closed batch keeps its sequence, and every change moves a batch to the end. So every open batch
is at the watermark or behind it, and scans need not read the history.
"""

from contracts import subjects
from producers.bus import Bus

WATERMARK_KEY = "open"
UNKNOWN_KEY = "status.unknown"
"""Key of the sequence before which no row of Zalo is unknown; see `consumers.status`."""


async def read_watermark(bus: Bus, key: str = WATERMARK_KEY) -> int:
    value = await bus.bucket(subjects.CONTROL.name).get(key)
    return int(value.data) if value else 1


async def delete_watermarks(bus: Bus) -> None:
    """Delete the watermarks: a restored ledger has other sequences."""
    for key in (WATERMARK_KEY, UNKNOWN_KEY):
        await bus.bucket(subjects.CONTROL.name).purge(key)


async def write_watermark(bus: Bus, seq: int, key: str = WATERMARK_KEY) -> None:
    await bus.bucket(subjects.CONTROL.name).put(key, str(seq).encode())
