"""Trouble of a channel before its breaker opens: the last failure without a success since.

A worker that waits for its retry, or for the first word of a host that hangs, opens no breaker, and
its backlog would have no reason meanwhile.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.breaker_store import circuits_of
from consumers.channel_health.destinations import update_destination
from contracts.delivery import ChannelName
from producers.bus import Bus
from producers.bus.periodic import every

PATIENCE_S = 5.0
"""How long a host may take for its first word before it counts as silent."""
_INTERVAL_S = 2.0
_SILENT = "no answer"


def reason_now(channel: ChannelName, state: BreakerState, reason: str, failing: str) -> str:
    """Why a breaker of *channel* is not closed; while it tries, what the try meets, if known.

    *reason*: the breaker's own; *failing*: the trouble that the worker published last.
    """
    is_trying = state is BreakerState.HALF_OPEN and len(circuits_of(channel)) == 1
    return (failing if is_trying else "") or reason or _SILENT


@dataclass
class Trouble:
    """One circuit's last failure, and the waits for its host that are under way.

    A wait is kept with its start and with the time from which the host counts as silent.
    """

    clock: Callable[[], float] = time.time
    reason: str = ""
    since: float = 0.0
    waits: dict[object, tuple[float, float]] = field(default_factory=dict)

    def note_failure(self, reason: str) -> None:
        self.since = self.since if self.reason else self.clock()
        self.reason = reason

    def note_success(self) -> None:
        self.reason = ""

    @contextmanager
    def waiting(self, patience_s: float = PATIENCE_S) -> Iterator[None]:
        """Count the block as a wait for the host, which may take *patience_s*."""
        wait, now = object(), self.clock()
        self.waits[wait] = now, now + patience_s
        try:
            yield
        finally:
            del self.waits[wait]

    def current(self) -> tuple[str, float]:
        """The reason, empty without trouble, and since when."""
        now = self.clock()
        silent = [began for began, until in self.waits.values() if now >= until]
        if not silent:
            return self.reason, self.since
        return _SILENT, self.since if self.reason else min(silent)


@dataclass
class TroubleMonitor:
    """Publishes the start, the end and each new reason of a channel's trouble."""

    bus: Bus
    channel: ChannelName
    troubles: Mapping[str, Trouble]
    """The trouble of each circuit of the channel."""
    published: str = ""

    async def run(self) -> None:
        await every(_INTERVAL_S, self.publish)

    def current(self) -> tuple[str, float]:
        """The first circuit's trouble that there is."""
        found = [one.current() for one in self.troubles.values()]
        return next((one for one in found if one[0]), ("", 0.0))

    async def publish(self) -> None:
        """Write a change beside the destination, which each start of a worker writes anew."""
        reason, since = self.current()
        if reason == self.published:
            return
        changes = {"failing": reason, "failing_since": since if reason else 0.0}
        await update_destination(self.bus, self.channel, changes)
        self.published = reason
