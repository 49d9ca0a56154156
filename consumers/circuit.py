"""The breakers' store: one key per channel, changed by compare-and-set, seen by every process."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from consumers import breaker
from consumers.breaker import Breaker, State
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, Conflict

log = structlog.get_logger()
Move = Callable[[Breaker], Breaker]


def key(channel: ChannelName) -> str:
    return f"breaker.{channel}"


async def breakers(bus: Bus) -> dict[ChannelName, Breaker]:
    """Every channel's breaker as it stands now."""
    found = await bus.bucket(subjects.CONTROL.name).many([key(one) for one in ChannelName])
    stored = {name: breaker.decode(value.data) for name, value in found.items()}
    return {one: stored.get(key(one), Breaker()) for one in ChannelName}


async def tripped(bus: Bus) -> frozenset[ChannelName]:
    """The channels that can't work at the moment."""
    return frozenset(one for one, now in (await breakers(bus)).items() if not now.is_closed)


@dataclass
class Circuit:
    """One channel's breaker."""

    bus: Bus
    channel: ChannelName
    clock: Callable[[], float] = time.time

    async def change(self, move: Move) -> Breaker:
        """Apply *move* to what stands there; what stands afterwards. Raises BusError."""
        bucket = self.bus.bucket(subjects.CONTROL.name)
        while True:
            held = await bucket.get(key(self.channel))
            before = breaker.decode(held.data) if held else Breaker()
            after = move(before)
            if after == before:
                return before
            data = breaker.encode(after)
            try:
                if held:
                    await bucket.swap(key(self.channel), data, held.revision)
                else:
                    await bucket.create(key(self.channel), data)
            except Conflict:
                continue
            self.tell(before, after)
            return after

    def tell(self, before: Breaker, after: Breaker) -> None:
        """One line per change; only the first of a trouble asks for attention."""
        facts = {"channel": self.channel, "reason": after.reason or before.reason}
        lasted_s = round(self.clock() - before.since, 1)
        match after.state:
            case State.OPEN if before.is_closed:
                wait_s = round(after.until - after.since, 1)
                log.warning("breaker_opened", failures=after.failures, wait_s=wait_s, **facts)
            case State.OPEN:
                log.info("breaker_stays_open", failures=after.failures, lasted_s=lasted_s, **facts)
            case State.HALF_OPEN:
                log.info("breaker_half_open", lasted_s=lasted_s, **facts)
            case State.CLOSED:
                log.warning("breaker_closed", lasted_s=lasted_s, **facts)
