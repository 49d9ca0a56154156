"""Pauses and breakers of the channels, kept in the bus, so that every process and restart knows."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_S = 1.0


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


async def trip(bus: Bus, channel: ChannelName, reason: str, until: float) -> None:
    """Note that a channel itself can't work; the note lapses at *until* by itself."""
    value = json.dumps({"until": until, "reason": reason}).encode()
    await bus.bucket(subjects.CONTROL.name).put(f"breaker.{channel}", value)


async def tripped(bus: Bus, now: float) -> frozenset[ChannelName]:
    """The channels that could not work when they last tried."""
    keys = {f"breaker.{one}": one for one in ChannelName}
    found = await bus.bucket(subjects.CONTROL.name).many(list(keys))
    return frozenset(
        keys[name] for name, value in found.items() if json.loads(value.data)["until"] > now
    )


async def reasons(bus: Bus) -> dict[ChannelName, str]:
    """Why channels stand still, in an operator's or the channel's own words."""
    bucket = bus.bucket(subjects.CONTROL.name)
    keys = {f"{kind}.{one}": one for kind in ("breaker", "pause") for one in ChannelName}
    found = await bucket.many(list(keys))
    said = {key: json.loads(value.data)["reason"] for key, value in found.items()}
    return {keys[key]: reason for key, reason in sorted(said.items()) if reason}


@dataclass
class Pauses:
    """What a running service knows of the pauses, at most a second old."""

    bus: Bus
    channels: frozenset[ChannelName] = field(default_factory=frozenset)

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Silence changes nothing: a paused channel stays paused."""
        try:
            now = await paused(self.bus)
        except BusError:
            return
        for channel in now ^ self.channels:
            log.warning("channel_paused" if channel in now else "channel_resumed", channel=channel)
        self.channels = now
