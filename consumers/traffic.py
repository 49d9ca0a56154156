"""Why a batch that is due may wait although nothing is wrong: a pause, or a queue before it."""

from dataclasses import dataclass, field

from consumers import circuit, control
from consumers.wake import queued
from contracts.delivery import ChannelName, Lane
from producers.bus import Bus


@dataclass
class Traffic:
    """One look at the pauses and the queues: every answer is remembered."""

    bus: Bus
    standing: frozenset[ChannelName] | None = None
    waiting: dict[tuple[ChannelName, Lane], bool] = field(default_factory=dict)

    async def explains(self, channel: ChannelName, lane: Lane) -> bool:
        """Whether a batch of *lane* may rightly wait; it does so behind every higher lane, too."""
        if channel in await self.stopped():
            return True
        for one in Lane:
            if one.rank <= lane.rank and await self.queues(channel, one):
                return True
        return False

    async def stopped(self) -> frozenset[ChannelName]:
        """The channels that are paused, or can't work at the moment."""
        if self.standing is None:
            self.standing = await circuit.tripped(self.bus) | await control.paused(self.bus)
        return self.standing

    async def queues(self, channel: ChannelName, lane: Lane) -> bool:
        if (channel, lane) not in self.waiting:
            self.waiting[channel, lane] = bool(await queued(self.bus, channel, lane))
        return self.waiting[channel, lane]
