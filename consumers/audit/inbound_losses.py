"""Messages that left a unit's inbound stream without being moved to CONTENT.

The mover stores a message on CONTENT under an id that names its place in the inbound stream, and
removes it there afterwards. So CONTENT proves each removal; one that it does not prove is a loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumers.audit.bus_state import BusState, Damage, Observation, StreamState
from contracts import subjects
from contracts.subjects import CONTENT, unit_of_inbound
from producers.bus import Bus, Message


@dataclass
class _Moved:
    """How many messages of one inbound stream CONTENT has behind sequence `since`."""

    since: int
    first: int
    """Of the inbound stream: what lies before was moved before."""
    count: int = 0

    def __post_init__(self) -> None:
        self._next, self._last = self.since + 1, self.first - 1

    async def follow(self, bus: Bus, stream: str) -> None:
        """Count what came since the last call. A repeat after a crash has a place known already."""
        subject = subjects.content(unit_of_inbound(stream), "*")
        async for message in bus.scan(CONTENT.name, subject, self._next):
            self._next = message.seq + 1
            if (place := _place_in(stream, message)) > self._last:
                self._last, self.count = place, self.count + 1


def _place_in(stream: str, message: Message) -> int:
    """The sequence that *message* had in *stream*; 0 for one from elsewhere."""
    name, _, rest = message.headers.get("Nats-Msg-Id", "").partition(".")
    number = rest.partition(".")[0]
    return int(number) if name == stream and number.isdecimal() else 0


@dataclass
class InboundLosses:
    """Compares inbound streams with an earlier state. Raises BusError."""

    bus: Bus
    _moved: dict[str, _Moved] = field(default_factory=dict)
    """By stream, so that an anchor that stays for long is not followed from its start each time."""

    async def find(self, before: BusState, now: Observation) -> list[Damage]:
        content = before.streams.get(CONTENT.name)
        shrunk = [name for name in before.streams if _has_shrunk(name, before.streams, now.streams)]
        if content is None or CONTENT.name not in now.streams:
            return []
        losses = {name: await self._lost(name, content, before, now) for name in shrunk}
        return [Damage(name, "bus_stream_lost", {"count": n}) for name, n in losses.items() if n]

    async def _lost(
        self, name: str, content: StreamState, before: BusState, now: Observation
    ) -> int:
        """How many messages are gone without a trace; events that held a contact leave none."""
        removed = now.streams[name].missing - before.streams[name].missing
        moved = self._moved.get(name)
        start = (content.last, before.streams[name].first)
        if moved is None or (moved.since, moved.first) != start:
            moved = self._moved[name] = _Moved(*start)
        await moved.follow(self.bus, name)
        if removed <= moved.count:
            return 0
        state = (await self.bus.stream_info(CONTENT.name))["state"]
        erased: int = state["last_seq"] - state["messages"] - content.missing
        return max(removed - moved.count - max(erased, 0), 0)


def _has_shrunk(
    name: str, before: Mapping[str, StreamState], now: Mapping[str, StreamState]
) -> bool:
    """Whether an inbound stream, still the same one, has lost messages."""
    if not unit_of_inbound(name) or name not in now:
        return False
    was, is_now = before[name], now[name]
    return was.created == is_now.created and is_now.missing > was.missing
