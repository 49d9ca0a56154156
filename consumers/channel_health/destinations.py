"""Destinations: where each channel's output goes, as its worker publishes it. Bucket `control`.

The worker publishes it, so commands need not share its settings.
"""

from collections.abc import Mapping

import structlog

from consumers.channel_health.breaker import Breaker
from consumers.channel_health.breaker_store import BreakerStore, circuits_of
from consumers.channel_health.canary.status import restart_canary
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.records import Record
from producers.bus import Bus, records

log = structlog.get_logger()
_KEY_PREFIX = "outlet."
NOWHERE = "nowhere, "
"""The start of a destination that takes no output; what it lacks follows."""


class Destination(Record):
    """`to`: the destination in words, without credentials.

    `stand_in`: a local stand-in, so no output leaves the machine.
    """

    to: str
    stand_in: bool = False
    at: float = 0.0
    unseen: str = ""
    """Why readers can't see the output, as the worker found it; empty if they can."""
    unseen_since: float = 0.0
    read_at: str = ""
    """The address at which the worker checked."""
    failing: str = ""
    """The worker's last failure without a success since, while no breaker is open."""
    failing_since: float = 0.0
    former: str = ""
    """Where output went that left this machine, if it goes nowhere now; empty if a stand-in took
    over since."""
    former_until: float = 0.0

    @property
    def real(self) -> str:
        """The destination outside this machine, now or before it went nowhere; empty if none."""
        return self.former if self.stand_in else self.to

    def followed_by_nowhere(self, nowhere: "Destination") -> "Destination":
        """*nowhere*, which keeps where output went before."""
        if not self.real:
            return nowhere
        until = self.former_until or nowhere.at
        return nowhere.model_copy(update={"former": self.real, "former_until": until})


async def write_destination(bus: Bus, channel: ChannelName, destination: Destination) -> None:
    """Publish a destination; the last writer wins. Raises BusError."""
    bucket = bus.bucket(subjects.CONTROL.name)
    await bucket.put(f"{_KEY_PREFIX}{channel}", destination.model_dump_json().encode())


async def update_destination(bus: Bus, channel: ChannelName, changes: Mapping[str, object]) -> None:
    """Change a part of a destination; one that can't be read is made anew. Raises BusError."""
    bucket, key = bus.bucket(subjects.CONTROL.name), f"{_KEY_PREFIX}{channel}"
    stored = (await records.read_or_absent(bucket, key, Destination)).value or Destination(to="")
    await write_destination(bus, channel, stored.model_copy(update=changes))


async def publish_destination(bus: Bus, channel: ChannelName, destination: Destination) -> None:
    """Publish the destination of a worker that starts. Raises BusError.

    Where it is another one than before, the channel's breakers and its canary begin anew: they tell
    of the former one. The portal's breaker tells of its folder, which is watched.
    """
    before = (await load_destinations(bus)).get(channel)
    if before and destination.to.startswith(NOWHERE):
        destination = before.followed_by_nowhere(destination)
    await write_destination(bus, channel, destination)
    if before is None or before.to in ("", destination.to):
        return
    log.warning("destination_changed", channel=channel.value, to=destination.to)
    for circuit in () if channel is ChannelName.PORTAL else circuits_of(channel):
        await BreakerStore(bus, circuit, lambda: destination.at).update(lambda _: Breaker())
    await restart_canary(bus, channel, destination.at)


async def load_destinations(bus: Bus) -> Mapping[ChannelName, Destination]:
    """The destinations of channels with a worker, now or before. Raises BusError."""
    keys = {f"{_KEY_PREFIX}{channel}": channel for channel in ChannelName}
    values = await bus.bucket(subjects.CONTROL.name).get_many(list(keys))
    return {
        keys[key]: records.parse_stored(Destination, key, value.data)
        for key, value in values.items()
    }
