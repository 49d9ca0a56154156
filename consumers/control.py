"""Pauses of the channels, kept in the bus, so that every process and every restart knows."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from consumers import circuit
from consumers.breaker import Breaker
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_S = 1.0


class Pause(NamedTuple):
    """Since when a channel is paused, and why."""

    since: datetime
    reason: str


def key(channel: ChannelName) -> str:
    return f"pause.{channel}"


async def pause(bus: Bus, channel: ChannelName, reason: str = "") -> None:
    """Stop a channel's deliveries within a second; what is on the wire still ends."""
    since = datetime.now(UTC).isoformat()
    value = json.dumps({"since": since, "reason": reason}).encode()
    await bus.bucket(subjects.CONTROL.name).put(key(channel), value)


async def resume(bus: Bus, channel: ChannelName) -> None:
    await bus.bucket(subjects.CONTROL.name).purge(key(channel))


async def paused(bus: Bus) -> frozenset[ChannelName]:
    """The channels that are paused now."""
    found = await bus.bucket(subjects.CONTROL.name).many([key(one) for one in ChannelName])
    return frozenset(one for one in ChannelName if key(one) in found)


async def reasons(bus: Bus) -> dict[ChannelName, Pause]:
    """Since when and why channels are paused, in an operator's own words."""
    found = await bus.bucket(subjects.CONTROL.name).many([key(one) for one in ChannelName])
    said = {name: json.loads(value.data) for name, value in found.items()}
    return {
        one: Pause(datetime.fromisoformat(said[key(one)]["since"]), said[key(one)]["reason"])
        for one in ChannelName
        if key(one) in said
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
            one: "paused" if one in self.channels else f"breaker {now.state}: {now.reason}"
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
