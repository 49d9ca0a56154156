"""Breaker store: one key per channel, changed by compare-and-set, shared by all processes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from consumers.channel_health.breaker import Breaker, BreakerState
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, records

log = structlog.get_logger()
Transition = Callable[[Breaker], Breaker]


def _breaker_key(channel: ChannelName) -> str:
    return f"breaker.{channel}"


async def load_breakers(bus: Bus) -> dict[ChannelName, Breaker]:
    channels = {_breaker_key(channel): channel for channel in ChannelName}
    values = await bus.bucket(subjects.CONTROL.name).get_many(list(channels))
    stored = {channels[key]: value.data for key, value in values.items()}
    return {name: Breaker.model_validate_json(stored.get(name, b"{}")) for name in ChannelName}


async def unavailable_channels(bus: Bus) -> frozenset[ChannelName]:
    """The channels whose breaker is not closed."""
    breakers = await load_breakers(bus)
    return frozenset(channel for channel, now in breakers.items() if not now.is_closed)


@dataclass
class BreakerStore:
    """One channel's breaker."""

    bus: Bus
    channel: ChannelName
    clock: Callable[[], float] = time.time

    async def update(self, transition: Transition) -> Breaker:
        """Apply *transition* by compare-and-set; the resulting breaker. Raises BusError."""
        before = Breaker()

        def apply(stored: Breaker) -> Breaker:
            nonlocal before
            before = stored
            return transition(before)

        bucket, key = self.bus.bucket(subjects.CONTROL.name), _breaker_key(self.channel)
        written = await records.update_or_create(bucket, key, Breaker, apply, is_idempotent=False)
        after = written.value
        if after != before:
            self.log_transition(before, after)
        return after

    def log_transition(self, before: Breaker, after: Breaker) -> None:
        """Log one line per change; opening and closing are warnings."""
        facts = {"channel": self.channel, "reason": after.reason or before.reason}
        lasted_s = round(self.clock() - before.since, 1)
        match after.state:
            case BreakerState.OPEN if before.is_closed:
                wait_s = round(after.until - after.since, 1)
                log.warning("breaker_opened", failures=after.failures, wait_s=wait_s, **facts)
            case BreakerState.OPEN:
                log.info("breaker_stays_open", failures=after.failures, lasted_s=lasted_s, **facts)
            case BreakerState.HALF_OPEN:
                log.info("breaker_half_open", lasted_s=lasted_s, **facts)
            case BreakerState.CLOSED:
                log.warning("breaker_closed", lasted_s=lasted_s, **facts)
