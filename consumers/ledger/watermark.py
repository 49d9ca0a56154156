"""Scan watermark: the sequence in the ledger's bucket before which every batch is closed.

A closed batch keeps its sequence, and every change moves a batch to the end. So every open batch
is at the watermark or behind it, and scans need not read the history.
"""

from contracts import subjects
from producers.bus import Bus

WATERMARK_KEY = "open"


async def read_watermark(bus: Bus) -> int:
    value = await bus.bucket(subjects.CONTROL.name).get(WATERMARK_KEY)
    return int(value.data) if value else 1


async def delete_watermark(bus: Bus) -> None:
    """Delete the watermark: a restored ledger has other sequences."""
    await bus.bucket(subjects.CONTROL.name).purge(WATERMARK_KEY)


async def write_watermark(bus: Bus, seq: int) -> None:
    await bus.bucket(subjects.CONTROL.name).put(WATERMARK_KEY, str(seq).encode())
