"""A channel gate that records whom it wakes, and outcomes that a window may bring back."""

from typing import Any

from channels.base import Outcome, Verdict
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.gate import ChannelGate
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bus

EMAIL = ChannelName.EMAIL
DELIVERED, DOUBT = Outcome(Verdict.DELIVERED), Outcome(Verdict.DOUBT)
UNSENT = Outcome(Verdict.UNSENT, "deadline")
LOST = Outcome(Verdict.UNSENT, "421", channel_wide=True)
NOT_ASKED = Outcome(Verdict.DEFERRED, "the article is not live", reached_provider=False)
HELD, NO_TOKEN = Outcome(Verdict.HELD, "quota"), Outcome(Verdict.HELD, "token", channel_wide=True)


class WatchedGate(ChannelGate):
    """The gate of worker `a` before the e-mail channel."""

    def __init__(self, bus: Bus, clock: Any) -> None:
        self.woken: list[tuple[int, Lane]] = []
        self.paused = False
        super().__init__(
            BreakerStore(bus, EMAIL, clock), "a", self.record, lambda: self.paused, clock
        )

    async def record(self, batch: BatchKey, lane: Lane) -> None:
        self.woken.append((batch.number, lane))
