"""How many readers came and left on each day, and how many there were at the end of the last one.

People's records have every change, but who is erased, or left long ago, has no record any more. So
a day is counted when it is over, and its fact stays.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import ClassVar, NamedTuple, Protocol

from consumers.facts.days import last_day
from consumers.facts.sources import Derived, FactSource
from consumers.facts.store import FactStore
from consumers.zalo.followers import Follower
from contracts.base.times import Clock
from contracts.delivery import ChannelName
from contracts.facts import FactKind, ReadersFact
from contracts.facts.kinds import day_of
from contracts.facts.totals import Span
from contracts.subscriptions.subscriber import ConsentEvent, Subscriber
from producers.bus import Bucket
from producers.bus.records import parse

_PATIENCE = timedelta(days=31)
"""How far back a round looks for days on which no process counted."""
_UNFOLLOWED = "unfollow"


class Change(NamedTuple):
    """A reader came (`way` is empty), or left by a way."""

    at: datetime
    way: str = ""


def consent_changes(events: Iterable[ConsentEvent]) -> Iterator[Change]:
    """When a subscriber came and left; a consent that is given once more changes nothing."""
    is_reader = False
    for event in events:
        if event.change == "given" and not is_reader:
            is_reader = True
            yield Change(event.at)
        elif event.change == "withdrawn" and is_reader:
            is_reader = False
            yield Change(event.at, event.by)


def _follow_changes(follower: Follower) -> Iterator[Change]:
    """The last change of a follower; earlier ones are not kept."""
    if follower.follows_at and follower.follows is not None:
        yield Change(follower.follows_at, "" if follower.follows else _UNFOLLOWED)


@dataclass
class ReaderDays:
    """Readers by day, up to the end of *last*."""

    last: date
    total: int = 0
    came: Counter[date] = field(default_factory=Counter)
    left: defaultdict[date, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, *, is_reader: bool, changes: Iterable[Change]) -> None:
        """Count one person; what happened after the last day is undone for the total."""
        self.total += is_reader
        for change in changes:
            day = day_of(change.at)
            if day > self.last:
                self.total += 1 if change.way else -1
            elif change.way:
                self.left[day][change.way] += 1
            else:
                self.came[day] += 1

    def facts(self, channel: ChannelName, first: date) -> Iterator[ReadersFact]:
        """A fact for each day from *first* on; only the last one has the total."""
        for day in Span(first, self.last).days():
            total = self.total if day == self.last else None
            left = dict(sorted(self.left[day].items()))
            yield ReadersFact(on=day, channel=channel, total=total, came=self.came[day], left=left)

    @property
    def first(self) -> date:
        return min([*self.came, *self.left], default=self.last)


class People(Protocol):
    """The readers of one channel, as they are stored. Raises BusError."""

    channel: ChannelName
    bucket: Bucket

    async def count(self, days: ReaderDays) -> None: ...


@dataclass
class Subscribers:
    """Readers of mail. *bucket* decrypts their records."""

    bucket: Bucket
    channel: ChannelName = ChannelName.EMAIL

    async def count(self, days: ReaderDays) -> None:
        async for _, value in self.bucket.values("s."):
            if person := parse(Subscriber, value.data):
                days.add(is_reader=person.active, changes=consent_changes(person.consent_events()))


@dataclass
class Followers:
    """Followers of the Official Account."""

    bucket: Bucket
    channel: ChannelName = ChannelName.ZALO

    async def count(self, days: ReaderDays) -> None:
        async for _, value in self.bucket.values():
            if person := parse(Follower, value.data):
                days.add(is_reader=person.follows is True, changes=_follow_changes(person))


@dataclass
class Readers(FactSource):
    """The days of one channel's readers, as a source of facts."""

    people: People
    store: FactStore
    clock: Clock
    kind: ClassVar = FactKind.READERS
    is_lasting: ClassVar = False

    def __post_init__(self) -> None:
        self.stream = self.people.bucket.stream

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.people.channel}"

    async def is_due(self) -> bool:
        """Whether no process has counted the last day yet: a count reads every reader's record."""
        day = last_day(self.clock)
        wanted = ReadersFact(on=day, channel=self.people.channel, came=0, left={}).key
        return (await self.store.read(wanted)).fact is None

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        """The last days; from the start, every day that is known."""
        day, seq = last_day(self.clock), await self.people.bucket.last_seq()
        days = ReaderDays(day)
        await self.people.count(days)
        first = max(days.first, day - _PATIENCE) if after else days.first
        for fact in days.facts(self.people.channel, first):
            yield Derived(after, fact)
        yield Derived(seq)
