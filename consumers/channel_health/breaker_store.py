"""Breaker store: one key per circuit, changed by compare-and-set, shared by all processes.

A circuit is what fails as a whole: a channel, or the part of it that has a host of its own.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from consumers.channel_health.breaker import Breaker, BreakerState
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from producers.bus import Bus, records

log = structlog.get_logger()
Transition = Callable[[Breaker], Breaker]


_OWN_NOTICE_HOST = frozenset({ChannelName.ZALO})
"""Channels whose case notices go by another host than their publications."""


def circuits_of(channel: ChannelName) -> tuple[str, ...]:
    """The circuits of *channel*, its own first."""
    own = str(channel)
    return (own, f"{own}.notices") if channel in _OWN_NOTICE_HOST else (own,)


def circuit_of(channel: ChannelName, lane: Lane) -> str:
    """The circuit that serves *lane* of *channel*."""
    return circuits_of(channel)[-1 if lane is Lane.NOTICE else 0]


def _breaker_key(circuit: str) -> str:
    return f"breaker.{circuit}"


async def load_breakers(bus: Bus, known: Mapping[str, Breaker] | None = None) -> dict[str, Breaker]:
    """The breaker of every circuit, by name. Raises BusError.

    One that can't be read is the *known* one; without any, raises ValidationError.
    """
    keys = {_breaker_key(one): one for channel in ChannelName for one in circuits_of(channel)}
    values = await bus.bucket(subjects.CONTROL.name).get_many(list(keys))
    stored = {key: value.data for key, value in values.items()}
    if known is not None:
        read = {one: records.parse(Breaker, stored.get(key, b"{}")) for key, one in keys.items()}
        return {one: now or known.get(one, Breaker()) for one, now in read.items()}
    return {
        one: records.parse_stored(Breaker, key, stored.get(key, b"{}")) for key, one in keys.items()
    }


async def unavailable_circuits(bus: Bus) -> frozenset[str]:
    """The circuits whose breaker is not closed."""
    breakers = await load_breakers(bus)
    return frozenset(circuit for circuit, now in breakers.items() if not now.is_closed)


@dataclass
class BreakerStore:
    """One circuit's breaker."""

    bus: Bus
    circuit: str
    clock: Callable[[], float] = time.time

    async def update(self, transition: Transition) -> Breaker:
        """Apply *transition* by compare-and-set; the resulting breaker. Raises BusError.

        A breaker that can't be read counts as a new one.
        """
        before = Breaker()

        def apply(stored: Breaker) -> Breaker:
            nonlocal before
            before = stored
            return transition(before)

        bucket, key = self.bus.bucket(subjects.CONTROL.name), _breaker_key(self.circuit)
        known = await records.read_or_absent(bucket, key, Breaker)
        written = await records.update_or_create(
            bucket, key, Breaker, apply, known, is_idempotent=False
        )
        after = written.value
        if after != before:
            self.log_transition(before, after)
        return after

    def log_transition(self, before: Breaker, after: Breaker) -> None:
        """Log one line per change; opening and closing are warnings."""
        facts = {"channel": self.circuit, "reason": after.reason or before.reason}
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
