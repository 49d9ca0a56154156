"""Destinations: where each channel's output goes, as its worker publishes it. Bucket `control`.

The worker publishes it, so commands need not share its settings."""

from collections.abc import Mapping

from contracts import subjects
from contracts.delivery import ChannelName
from contracts.records import Record
from producers.bus import Bus

KEY_PREFIX = "outlet."


class Destination(Record):
    """`to`: in words, without a name or a password to sign in with.

    *stand_in*: nobody outside gets anything.
    """

    to: str
    stand_in: bool = False
    at: float = 0.0
    unseen: str = ""
    """Why readers can't see what was written, as the worker found it; empty where they can."""
    unseen_since: float = 0.0
    read_at: str = ""
    """Where the worker looked for what readers see."""


async def write_destination(bus: Bus, channel: ChannelName, destination: Destination) -> None:
    """The last worker that started has the word. Raises BusError."""
    bucket = bus.bucket(subjects.CONTROL.name)
    await bucket.put(f"{KEY_PREFIX}{channel}", destination.model_dump_json().encode())


async def load_destinations(bus: Bus) -> Mapping[ChannelName, Destination]:
    """Those of the channels for which a worker has started. Raises BusError."""
    keys = {f"{KEY_PREFIX}{channel}": channel for channel in ChannelName}
    found = await bus.bucket(subjects.CONTROL.name).get_many(list(keys))
    return {keys[key]: Destination.model_validate_json(value.data) for key, value in found.items()}
