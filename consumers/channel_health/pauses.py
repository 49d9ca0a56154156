"""Channel pauses, kept on the bus, and the waits that pauses and queues explain."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from pydantic import BaseModel, ConfigDict

from consumers.channel_health import breaker_store
from consumers.channel_health.breaker import Breaker
from consumers.ledger.wakeups import count_queued
from consumers.messages import field_error
from consumers.runtime.presence import running_services
from contracts import subjects
from contracts.base.times import Clock
from contracts.delivery import ChannelName, Lane
from contracts.desk.operations import ChannelPause
from contracts.errors import Bilingual
from producers.bus import Bus, BusError, Value
from producers.bus.periodic import every
from producers.bus.records import Versioned, parse, update

log = structlog.get_logger()
_POLL_S = 1.0
_UNREADABLE_REASON = "unreadable"
_RESTORED = re.compile(
    r"restored from the backup of (\S+Z)(?:; paused before, since (\S+Z): (.*))?", re.DOTALL
)
PAUSED_REASON = "paused"
"""The reason in reports for a channel that an operator paused."""


class Pause(BaseModel):
    """Start, reason and author of a pause; reason and author are optional."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    reason: str = ""
    by: str = ""


def describe_reason(reason: str) -> Bilingual:
    """The reason of a pause for people: that of a restore in both languages, with times here."""
    if not (found := _RESTORED.fullmatch(reason)):
        return Bilingual(reason, reason)
    restored, before, why = found.groups()
    facts = {"at": _shown(restored)} | ({"since": _shown(before), "reason": why} if before else {})
    code = "paused_again_by_restore" if before else "paused_by_restore"
    text = field_error("pause", code, **facts)
    return Bilingual(text.message, text.message_vi)


def shown_pause(pause: Pause) -> ChannelPause:
    """The pause as the desk's pages show it."""
    return ChannelPause(pause.since, pause.by, describe_reason(pause.reason).vi)


def _shown(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def pause_key(channel: ChannelName) -> str:
    return f"pause.{channel}"


async def pause(bus: Bus, channel: ChannelName, reason: str = "") -> None:
    """Stop a channel's deliveries within a second, and replace an existing pause.

    Requests under way still end.
    """
    record = Pause(since=datetime.now(UTC), reason=reason).model_dump_json().encode()
    await bus.bucket(subjects.CONTROL.name).put(pause_key(channel), record)


async def pause_if_running(
    bus: Bus, channel: ChannelName, reason: str = "", by: str = ""
) -> Versioned[Pause]:
    """As `pause`, but an existing pause stays, and gets the reason if it has none.

    `just_written`: the channel was not paused before.
    """
    new = Pause(since=datetime.now(UTC), reason=reason, by=by)

    def add_reason(existing: Pause | None) -> Pause:
        if existing is None or existing.reason:
            return existing or new
        return existing.model_copy(update={"reason": reason})

    stored = await update(bus.bucket(subjects.CONTROL.name), pause_key(channel), Pause, add_reason)
    return replace(stored, just_written=stored.value == new)


async def resume(bus: Bus, channel: ChannelName) -> Pause | None:
    """Resume a channel. Returns the pause that ended, if there was one."""
    bucket = bus.bucket(subjects.CONTROL.name)
    if (stored := await bucket.get(pause_key(channel))) is None:
        return None
    await bucket.purge(pause_key(channel))
    return _parse_pause(stored)


async def paused_channels(bus: Bus) -> frozenset[ChannelName]:
    return frozenset(await _stored_pauses(bus))


async def load_pauses(bus: Bus) -> dict[ChannelName, Pause]:
    stored = await _stored_pauses(bus)
    return {channel: _parse_pause(value) for channel, value in stored.items()}


def _parse_pause(stored: Value) -> Pause:
    """A pause; a record that can't be read is one, too, and can be ended like any other."""
    return parse(Pause, stored.data) or Pause(since=stored.created, reason=_UNREADABLE_REASON)


async def _stored_pauses(bus: Bus) -> dict[ChannelName, Value]:
    channels = {pause_key(channel): channel for channel in ChannelName}
    values = await bus.bucket(subjects.CONTROL.name).get_many(list(channels))
    return {channels[key]: value for key, value in values.items()}


def pause_circuits(channels: Iterable[ChannelName]) -> frozenset[str]:
    """The circuits of paused *channels*."""
    return frozenset(one for channel in channels for one in breaker_store.circuits_of(channel))


BreakerListener = Callable[[Breaker], Awaitable[None]]


@dataclass
class ChannelMonitor:
    """Pauses and breakers as a service knows them, at most a second old.

    The sweeper takes circuits out of `resumed_circuits`.
    """

    bus: Bus
    paused_channels: frozenset[ChannelName] = field(default_factory=frozenset)
    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    listeners: list[tuple[str, BreakerListener]] = field(default_factory=list)
    resumed_circuits: set[str] = field(default_factory=set)
    resumed_event: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def blocked_circuits(self) -> frozenset[str]:
        """Circuits whose channel is paused or whose breaker is not closed."""
        broken = {name for name, now in self.breakers.items() if not now.is_closed}
        return pause_circuits(self.paused_channels) | broken

    def breaker(self, circuit: str) -> Breaker:
        return self.breakers.get(circuit, Breaker())

    def blocked_reasons(self) -> dict[str, str]:
        """The reason for each channel or part of one that is blocked; a pause hides a breaker."""
        paused, hidden = self.paused_channels, pause_circuits(self.paused_channels)
        reasons: dict[str, str] = {
            name: f"breaker {now.state}: {now.reason}"
            for name, now in self.breakers.items()
            if not now.is_closed and name not in hidden
        }
        return {**reasons, **dict.fromkeys(paused, PAUSED_REASON)}

    async def run(self) -> None:
        await every(_POLL_S, self.refresh)

    async def refresh(self) -> None:
        """Read pauses and breakers; without a reply from the bus nothing changes."""
        blocked_before = self.blocked_circuits
        try:
            paused = await paused_channels(self.bus)
            self.breakers = await breaker_store.load_breakers(self.bus, self.breakers)
        except BusError:
            return
        for channel in paused ^ self.paused_channels:
            log.warning(
                "channel_paused" if channel in paused else "channel_resumed", channel=channel
            )
        self.paused_channels = paused
        if resumed := blocked_before - self.blocked_circuits:
            self.resumed_circuits |= resumed
            self.resumed_event.set()
        for circuit, listen in self.listeners:
            await listen(self.breaker(circuit))


@dataclass
class LegitimateWaits:
    """Waits that pauses and queues explain, each read once and kept."""

    bus: Bus
    clock: Clock = time.time
    blocked_circuits: frozenset[str] | None = None
    services: frozenset[str] | None = None
    lane_queued: dict[tuple[ChannelName, Lane], bool] = field(default_factory=dict)

    async def may_wait(self, channel: ChannelName, lane: Lane) -> bool:
        """Whether a batch of *lane* may wait: blocked, or behind its own or a higher lane.

        A queue excuses nothing while other processes run and none of them takes from it.
        """
        if breaker_store.circuit_of(channel, lane) in await self.load_blocked_circuits():
            return True
        running = await self.load_services()
        if running and f"deliver-{channel}" not in running:
            return False
        for other in Lane:
            if other.rank <= lane.rank and await self.is_lane_queued(channel, other):
                return True
        return False

    async def load_blocked_circuits(self) -> frozenset[str]:
        if self.blocked_circuits is None:
            unavailable = await breaker_store.unavailable_circuits(self.bus)
            paused = await paused_channels(self.bus)
            self.blocked_circuits = unavailable | pause_circuits(paused)
        return self.blocked_circuits

    async def load_services(self) -> frozenset[str]:
        if self.services is None:
            self.services = await running_services(self.bus, self.clock())
        return self.services

    async def is_lane_queued(self, channel: ChannelName, lane: Lane) -> bool:
        if (channel, lane) not in self.lane_queued:
            self.lane_queued[channel, lane] = bool(await count_queued(self.bus, channel, lane))
        return self.lane_queued[channel, lane]
