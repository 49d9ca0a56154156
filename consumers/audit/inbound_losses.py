"""Messages that left a unit's inbound stream without being moved to CONTENT.

The mover stores a message on CONTENT under an id that names its place in the inbound stream, and
removes it there afterwards, one after the other. So CONTENT proves each removal; one that it does
not prove is a loss. A message that is being moved is in both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumers.audit.bus_state import BusState, Damage, Observation, StreamState
from contracts import subjects
from contracts.subjects import CONTENT, unit_of_inbound
from producers.bus import Bus, Message

_States = Mapping[str, StreamState]


def with_copies(before: BusState | None, now: _States) -> dict[str, StreamState]:
    """The states of *now*; those of inbound streams say behind what their copies lie."""
    known = before.streams if before else {}
    places = {name: _copies_behind(name, known, now) for name in now if unit_of_inbound(name)}
    moved = {n: now[n].model_copy(update={"copies_behind": at}) for n, at in places.items()}
    return {**now, **moved}


def _copies_behind(name: str, before: _States, now: _States) -> int:
    """The end of CONTENT before the oldest kept message can have been stored there.

    That was not before the one before it was removed.
    """
    state, was = now[name], before.get(name)
    if CONTENT.name not in now:
        return 0
    if not state.kept:
        return now[CONTENT.name].last
    if was is None or was.created != state.created or CONTENT.name not in before:
        return 0
    return was.copies_behind if was.first == state.first else before[CONTENT.name].last


@dataclass
class _Copies:
    """The copies in CONTENT of one inbound stream's messages from `first` on."""

    behind: int
    first: int
    count: int = 0

    def __post_init__(self) -> None:
        self._next, self._last = self.behind + 1, self.first - 1

    async def follow(self, bus: Bus, stream: str) -> None:
        """Count what came since the last call. A repeat after a crash has a place known already."""
        subject = subjects.content(unit_of_inbound(stream), "*")
        async for message in bus.scan(CONTENT.name, subject, self._next):
            self._next = message.seq + 1
            if (place := _place_in(stream, message)) > self._last:
                self._last, self.count = place, self.count + 1

    def count_of_removed(self, kept_from: int) -> int:
        """How many are of messages before *kept_from*; that one itself may be copied already."""
        return self.count - (self._last >= kept_from)


def _place_in(stream: str, message: Message) -> int:
    """The sequence that *message* had in *stream*; 0 for one from elsewhere."""
    name, _, rest = message.headers.get("Nats-Msg-Id", "").partition(".")
    number = rest.partition(".")[0]
    return int(number) if name == stream and number.isdecimal() else 0


@dataclass
class InboundLosses:
    """Compares inbound streams with an earlier state. Raises BusError."""

    bus: Bus
    _copies: dict[str, _Copies] = field(default_factory=dict)
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
        was, is_now, copies = before.streams[name], now.streams[name], self._copies.get(name)
        if copies is None or (copies.behind, copies.first) != (was.copies_behind, was.first):
            copies = self._copies[name] = _Copies(was.copies_behind, was.first)
        await copies.follow(self.bus, name)
        removed = is_now.missing - was.missing
        if removed <= copies.count_of_removed(is_now.first):
            return 0
        state = (await self.bus.stream_info(CONTENT.name))["state"]
        await copies.follow(self.bus, name)  # a replica that answered may have been behind
        erased: int = state["last_seq"] - state["messages"] - content.missing
        return max(removed - copies.count_of_removed(is_now.first) - max(erased, 0), 0)


def _has_shrunk(name: str, before: _States, now: _States) -> bool:
    """Whether an inbound stream, still the same one, has lost messages."""
    if not unit_of_inbound(name) or name not in now:
        return False
    was, is_now = before[name], now[name]
    return was.created == is_now.created and is_now.missing > was.missing
