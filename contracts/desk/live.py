"""The delivery of an item as it goes on: counts that add up, on each channel."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from contracts.delivery import ChannelName, Status
from contracts.desk.operations import ChannelPause
from contracts.desk.previews import Wanted


class ChannelProgress(NamedTuple):
    """One channel. `statuses` and `missing`, who is not in a batch yet, add up to `expected`.

    `per_s`: rows that ended lately, a second. `oldest_s`: how long the oldest open batch has
    waited. `reached`: after how many seconds the first row, half, 95 % and the last one arrived.
    `failures`, `waits`: rows by reason, in Vietnamese. `counted`: what an earlier Loa counted, of a
    plan whose batches are no longer kept.
    """

    channel: ChannelName
    expected: int
    missing: int
    statuses: Mapping[Status, int]
    copies: int = 0
    is_complete: bool = False
    per_s: float = 0.0
    oldest_s: float | None = None
    reached: Mapping[str, float] = {}
    failures: Sequence[tuple[str, int]] = ()
    waits: Sequence[tuple[str, int]] = ()


class LiveItem(NamedTuple):
    """An item's newest released position, or the one that was asked for; 0: none is out."""

    content_id: str
    revision: int
    title: str
    is_withdrawn: bool
    starts_at: datetime | None
    at: datetime
    channels: Sequence[ChannelProgress]
    pauses: Mapping[ChannelName, ChannelPause] = {}
    """Of the channels that are not complete."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing more happens by itself."""
        return bool(self.channels) and all(one.is_complete for one in self.channels)


class LiveDeliveries(Protocol):
    """Reads the plans of an item at most once a second for all who watch. Raises BusError.

    `look` raises NotFound for an unknown item. `watch` yields a new state whenever there is one.
    `barred`: those who may watch no longer, in one look at each item and one at the accounts.
    """

    async def look(self, wanted: Wanted) -> LiveItem: ...
    def watch(self, wanted: Wanted) -> AsyncGenerator[LiveItem, None]: ...
    async def barred(self, watchers: Collection[Wanted]) -> Collection[Wanted]: ...


class SessionCheck(Protocol):
    """Which of some sessions live on, in one look at all; looking is no use of a session."""

    async def living(self, tokens: Collection[str]) -> Collection[str]: ...
