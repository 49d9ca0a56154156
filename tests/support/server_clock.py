"""A clock that a test moves, by which the times of stored messages go, too."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from contracts.base.times import utc_time
from producers.bus import Bus, messages
from tests.support.clock import FakeClock

_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class ServerClock(FakeClock):
    """Clock of the server: messages count as stored at its time, not the machine's.

    `steps`: from which of the machine's moments on it has said what.
    """

    steps: list[tuple[datetime, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps.append((_BEFORE, self.now))

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.steps.append((datetime.now(UTC), self.now))

    def told(self, stored: datetime) -> datetime:
        """Time of this clock at a moment of the machine's."""
        at = bisect_right(self.steps, stored, key=lambda step: step[0])
        return utc_time(self.steps[at - 1][1])

    def stored(self, told: datetime) -> datetime:
        """The machine's moment from which on this clock has said *told*, or later."""
        later = (began for began, now in self.steps if now >= told.timestamp())
        return next(later, datetime.now(UTC) + timedelta(days=1))


@contextmanager
def message_times(clock: ServerClock) -> Iterator[None]:
    """Let every message that is read have the time that *clock* said when it was stored."""
    first_seq_since, stream_info = messages.first_seq_since, Bus.stream_info

    def told(read: Callable[..., messages.Message]) -> Callable[..., messages.Message]:
        def read_told(*stored: Any) -> messages.Message:
            message = read(*stored)
            return replace(message, time=clock.told(message.time))

        return read_told

    async def first_since(link: Any, stream: str, moment: datetime) -> int | None:
        return await first_seq_since(link, stream, clock.stored(moment))

    async def info(bus: Bus, stream: str) -> dict[str, Any]:
        found = await stream_info(bus, stream)
        for name in ("first_ts", "last_ts"):
            stored = datetime.fromisoformat(found["state"][name])
            found["state"][name] = clock.told(stored).isoformat()
        return found

    with ExitStack() as stack:
        for name in ("_from_direct", "_from_api"):
            stack.enter_context(patch.object(messages, name, told(getattr(messages, name))))
        stack.enter_context(patch.object(messages, "first_seq_since", first_since))
        stack.enter_context(patch.object(Bus, "stream_info", info))
        yield
