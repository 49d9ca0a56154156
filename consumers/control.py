"""Pauses of the channels, kept in the bus, so that every process and every restart knows."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from pydantic import BaseModel, ConfigDict

from consumers import circuit
from consumers.breaker import Breaker
from consumers.register import Held, change, read
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_S = 1.0


PAUSED = "paused"
"""Why a channel stands still that somebody has paused."""


class Pause(BaseModel):
    """Since when a channel is paused, why, and by whom, as far as somebody said so."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    reason: str = ""
    by: str = ""


def key(channel: ChannelName) -> str:
    return f"pause.{channel}"


async def pause(bus: Bus, channel: ChannelName, reason: str = "") -> None:
    """Stop a channel's deliveries within a second, in place of whatever pause there was.

    What is on the wire still ends.
    """
    said = Pause(since=datetime.now(UTC), reason=reason).model_dump_json().encode()
    await bus.bucket(subjects.CONTROL.name).put(key(channel), said)


async def hold(bus: Bus, channel: ChannelName, reason: str = "", by: str = "") -> Held[Pause]:
    """As `pause`, but a pause that stands stays, and only gets a reason if it had none.

    `fresh`: none stood.
    """
    mine = Pause(since=datetime.now(UTC), reason=reason, by=by)

    def move(found: Pause | None) -> Pause:
        if found is None or found.reason:
            return found or mine
        return found.model_copy(update={"reason": reason})

    held = await change(bus.bucket(subjects.CONTROL.name), key(channel), Pause, move)
    return replace(held, fresh=held.known == mine)


async def resume(bus: Bus, channel: ChannelName) -> Pause | None:
    """Let a channel go on. Returns the pause that ended, if one stood."""
    bucket = bus.bucket(subjects.CONTROL.name)
    stood = (await read(bucket, key(channel), Pause)).value
    if stood:
        await bucket.purge(key(channel))
    return stood


async def paused(bus: Bus) -> frozenset[ChannelName]:
    """The channels that are paused now."""
    found = await bus.bucket(subjects.CONTROL.name).many([key(one) for one in ChannelName])
    return frozenset(one for one in ChannelName if key(one) in found)


async def reasons(bus: Bus) -> dict[ChannelName, Pause]:
    """Since when and why channels are paused, in an operator's own words."""
    found = await bus.bucket(subjects.CONTROL.name).many([key(one) for one in ChannelName])
    return {
        one: Pause.model_validate_json(found[key(one)].data)
        for one in ChannelName
        if key(one) in found
    }


Listener = Callable[[Breaker], Awaitable[None]]


@dataclass
class Pauses:
    """What a running service knows of pauses and breakers, at most a second old."""

    bus: Bus
    channels: frozenset[ChannelName] = field(default_factory=frozenset)
    breakers: Mapping[ChannelName, Breaker] = field(default_factory=dict)
    listeners: list[tuple[ChannelName, Listener]] = field(default_factory=list)
    resumed: set[ChannelName] = field(default_factory=set)  # whoever cares takes them out
    went_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def standing(self) -> frozenset[ChannelName]:
        """Paused, or unable to work."""
        return self.channels | {one for one, now in self.breakers.items() if not now.is_closed}

    def breaker(self, channel: ChannelName) -> Breaker:
        return self.breakers.get(channel, Breaker())

    def why(self) -> dict[str, str]:
        """Why channels stand still; a pause before a breaker, which it hides."""
        broken = {one: self.breaker(one) for one in self.standing}
        return {
            one: PAUSED if one in self.channels else f"breaker {now.state}: {now.reason}"
            for one, now in broken.items()
        }

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Silence changes nothing: a paused channel stays paused."""
        stood = self.standing
        try:
            now = await paused(self.bus)
            self.breakers = await circuit.breakers(self.bus)
        except BusError:
            return
        for channel in now ^ self.channels:
            log.warning("channel_paused" if channel in now else "channel_resumed", channel=channel)
        self.channels = now
        if stood - self.standing:
            self.resumed |= stood - self.standing
            self.went_on.set()
        for channel, listen in self.listeners:
            await listen(self.breaker(channel))
