"""How Loa does, as the desk shows it, and what an operator does about a channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from contracts.delivery import ChannelName, Lane
from contracts.desk.person import Person
from contracts.editorial import Status


class Problem(NamedTuple):
    """A finding of `loa status`, in Vietnamese: what is wrong, and what to do now."""

    severity: str
    code: str
    about: str
    message: str
    remedy: str


class LaneBacklog(NamedTuple):
    """The rows of a lane that wait; the oldest for *oldest_s*; *ready*: may go now."""

    lane: Lane
    backlog: int
    oldest_s: float
    ready: int
    in_doubt: int


class ChannelPause(NamedTuple):
    """Since when, by whom and why a channel is paused."""

    since: datetime
    by: str
    reason: str


class BrokenCircuit(NamedTuple):
    """A breaker that is not closed. *part*: of the channel, empty for the whole."""

    part: str
    since: datetime | None
    reason: str
    next_probe: datetime | None


@dataclass(frozen=True)
class ChannelView:
    """A channel. *failing*: the reason of its last failure; *slowed*: by how many levels."""

    name: ChannelName
    pause: ChannelPause | None
    broken: Sequence[BrokenCircuit]
    failing: str
    slowed: int
    place: str
    canary: str
    lanes: Sequence[LaneBacklog]


class QuotaView(NamedTuple):
    """How much of a limit is used; it begins anew at *until*.

    *name*: of one of our limits; empty for Zalo's own quota of broadcasts.
    """

    name: str
    used: int
    most: int
    until: datetime


class BouncingMail(NamedTuple):
    """A publication of whose mails many came back. *state*: warned, stopped, released, ended."""

    content_id: str
    revision: int
    state: str
    at: datetime
    mails: int
    failed: int


class FeedView(NamedTuple):
    """A feed that is imported. *held*: how many of its items wait for an operator."""

    unit: str
    title: str
    read: datetime | None
    failures: int
    is_stopped: bool
    trouble: str
    held: int


@dataclass(frozen=True)
class WaitingTexts:
    """How many texts with a status wait for who acts next."""

    status: Status
    count: int


@dataclass(frozen=True)
class OperationsView:
    """Everything at one moment. *letters*: open dead letters; *drafts*: texts that wait.

    *channels*: none where a first reading of the facts still goes on.
    """

    at: datetime
    problems: Sequence[Problem]
    channels: Sequence[ChannelView]
    quotas: Sequence[QuotaView]
    bounces: Sequence[BouncingMail]
    feeds: Sequence[FeedView]
    letters: int
    drafts: Sequence[WaitingTexts]


class ChannelState(NamedTuple):
    """A channel in one word (`well`, `paused`, `broken` or `failing`), and how much waits."""

    name: ChannelName
    state: str
    backlog: int


class HealthLine(NamedTuple):
    """The channels in one line. *problems*: how many need a person now."""

    channels: Sequence[ChannelState]
    problems: int


class ChannelHealth(Protocol):
    """The channels in one line, for pages that have other subjects.

    A minute old at most; None where that is still being read.
    """

    async def line(self) -> HealthLine | None: ...


class OperationsService(ChannelHealth, Protocol):
    """How Loa does. Raises BusError. An act on a channel waits for no reading and shows at once."""

    async def view(self) -> OperationsView: ...
    async def pause(self, person: Person, channel: ChannelName, reason: str) -> None:
        """Stop a channel within a second. Raises Invalid without a reason, Forbidden."""
        ...

    async def resume(self, person: Person, channel: ChannelName, reason: str) -> None:
        """Let a channel go on. Raises Forbidden."""
        ...
