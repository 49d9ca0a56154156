"""Channel pauses, kept on the bus, and the waits that pauses and queues explain."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from pydantic import BaseModel, ConfigDict

from consumers.channel_health import breaker_store
from consumers.channel_health.breaker import Breaker
from consumers.ledger.wakeups import count_queued
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from producers.bus import Bus, BusError
from producers.bus.records import Versioned, read, update

log = structlog.get_logger()


POLL_S = 1.0


PAUSED_REASON = "paused"
"""Why a channel stands still that somebody has paused."""


class Pause(BaseModel):
    """Since when a channel is paused, why, and by whom, as far as somebody said so."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    reason: str = ""
    by: str = ""


def pause_key(channel: ChannelName) -> str:
    return f"pause.{channel}"


async def pause(bus: Bus, channel: ChannelName, reason: str = "") -> None:
    """Stop a channel's deliveries within a second, in place of whatever pause there was.

    What is on the wire still ends.
    """
    said = Pause(since=datetime.now(UTC), reason=reason).model_dump_json().encode()
    await bus.bucket(subjects.CONTROL.name).put(pause_key(channel), said)


async def pause_if_running(
    bus: Bus, channel: ChannelName, reason: str = "", by: str = ""
) -> Versioned[Pause]:
    """As `pause`, but a pause that stands stays, and only gets a reason if it had none.

    `fresh`: none stood.
    """
    mine = Pause(since=datetime.now(UTC), reason=reason, by=by)

    def move(found: Pause | None) -> Pause:
        if found is None or found.reason:
            return found or mine
        return found.model_copy(update={"reason": reason})

    held = await update(bus.bucket(subjects.CONTROL.name), pause_key(channel), Pause, move)
    return replace(held, just_written=held.required == mine)


async def resume(bus: Bus, channel: ChannelName) -> Pause | None:
    """Let a channel go on. Returns the pause that ended, if one stood."""
    bucket = bus.bucket(subjects.CONTROL.name)
    stood = (await read(bucket, pause_key(channel), Pause)).value
    if stood:
        await bucket.purge(pause_key(channel))
    return stood


async def paused_channels(bus: Bus) -> frozenset[ChannelName]:
    """The channels that are paused now."""
    found = await bus.bucket(subjects.CONTROL.name).get_many(
        [pause_key(one) for one in ChannelName]
    )
    return frozenset(one for one in ChannelName if pause_key(one) in found)


async def load_pauses(bus: Bus) -> dict[ChannelName, Pause]:
    """Since when and why channels are paused, in an operator's own words."""
    found = await bus.bucket(subjects.CONTROL.name).get_many(
        [pause_key(one) for one in ChannelName]
    )
    return {
        one: Pause.model_validate_json(found[pause_key(one)].data)
        for one in ChannelName
        if pause_key(one) in found
    }


BreakerListener = Callable[[Breaker], Awaitable[None]]


@dataclass
class ChannelMonitor:
    """What a running service knows of pauses and breakers, at most a second old."""

    bus: Bus
    paused_channels: frozenset[ChannelName] = field(default_factory=frozenset)
    breakers: Mapping[ChannelName, Breaker] = field(default_factory=dict)
    listeners: list[tuple[ChannelName, BreakerListener]] = field(default_factory=list)
    resumed_channels: set[ChannelName] = field(default_factory=set)  # whoever cares takes them out
    resumed_event: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def blocked_channels(self) -> frozenset[ChannelName]:
        """Paused, or unable to work."""
        return self.paused_channels | {
            one for one, now in self.breakers.items() if not now.is_closed
        }

    def breaker(self, channel: ChannelName) -> Breaker:
        return self.breakers.get(channel, Breaker())

    def blocked_reasons(self) -> dict[str, str]:
        """Why channels stand still; a pause before a breaker, which it hides."""
        broken = {one: self.breaker(one) for one in self.blocked_channels}
        return {
            one: PAUSED_REASON
            if one in self.paused_channels
            else f"breaker {now.state}: {now.reason}"
            for one, now in broken.items()
        }

    async def run(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(POLL_S)

    async def refresh(self) -> None:
        """Silence changes nothing: a paused channel stays paused."""
        stood = self.blocked_channels
        try:
            now = await paused_channels(self.bus)
            self.breakers = await breaker_store.load_breakers(self.bus)
        except BusError:
            return
        for channel in now ^ self.paused_channels:
            log.warning("channel_paused" if channel in now else "channel_resumed", channel=channel)
        self.paused_channels = now
        if stood - self.blocked_channels:
            self.resumed_channels |= stood - self.blocked_channels
            self.resumed_event.set()
        for channel, listen in self.listeners:
            await listen(self.breaker(channel))


@dataclass
class LegitimateWaits:
    """One look at the pauses and the queues: every answer is remembered."""

    bus: Bus
    blocked_channels: frozenset[ChannelName] | None = None
    lane_queued: dict[tuple[ChannelName, Lane], bool] = field(default_factory=dict)

    async def may_wait(self, channel: ChannelName, lane: Lane) -> bool:
        """Whether a batch of *lane* may rightly wait; it does so behind every higher lane, too."""
        if channel in await self.load_blocked_channels():
            return True
        for one in Lane:
            if one.rank <= lane.rank and await self.is_lane_queued(channel, one):
                return True
        return False

    async def load_blocked_channels(self) -> frozenset[ChannelName]:
        """The channels that are paused, or can't work at the moment."""
        if self.blocked_channels is None:
            self.blocked_channels = await breaker_store.unavailable_channels(
                self.bus
            ) | await paused_channels(self.bus)
        return self.blocked_channels

    async def is_lane_queued(self, channel: ChannelName, lane: Lane) -> bool:
        if (channel, lane) not in self.lane_queued:
            self.lane_queued[channel, lane] = bool(await count_queued(self.bus, channel, lane))
        return self.lane_queued[channel, lane]
