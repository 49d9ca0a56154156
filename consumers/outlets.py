"""Where each channel's output goes, as the worker says that sends it: bucket `control`.

Whoever asks may have other settings than the worker, or none: so the worker leaves word.
"""

from collections.abc import Mapping

from contracts import subjects
from contracts.delivery import ChannelName
from contracts.records import Record
from producers.bus import Bus

PREFIX = "outlet."


class Outlet(Record):
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


async def note(bus: Bus, channel: ChannelName, outlet: Outlet) -> None:
    """The last worker that started has the word. Raises BusError."""
    bucket = bus.bucket(subjects.CONTROL.name)
    await bucket.put(f"{PREFIX}{channel}", outlet.model_dump_json().encode())


async def outlets(bus: Bus) -> Mapping[ChannelName, Outlet]:
    """Those of the channels for which a worker has started. Raises BusError."""
    keys = {f"{PREFIX}{channel}": channel for channel in ChannelName}
    found = await bus.bucket(subjects.CONTROL.name).many(list(keys))
    return {keys[key]: Outlet.model_validate_json(value.data) for key, value in found.items()}
