"""From where on the ledger has to be read to see all that is open: its history need not be.

What is closed keeps its place in the bucket, and every change gets a place behind all others. So
whatever was open at the first open place, or came later, lies there or behind it.
"""

from contracts import subjects
from producers.bus import Bus

KEY = "open"


async def first_open(bus: Bus) -> int:
    """The sequence in the ledger's bucket before which everything is closed for a while."""
    value = await bus.bucket(subjects.CONTROL.name).get(KEY)
    return int(value.data) if value else 1


async def forget(bus: Bus) -> None:
    """A ledger that comes out of a backup has other places than the one that was noted."""
    await bus.bucket(subjects.CONTROL.name).purge(KEY)


async def note(bus: Bus, seq: int) -> None:
    await bus.bucket(subjects.CONTROL.name).put(KEY, str(seq).encode())
