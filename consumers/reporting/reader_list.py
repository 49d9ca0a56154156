"""Readers for lists, counts and the export: subscribers by e-mail, and followers on Zalo."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from consumers.ledger.bulk import decode_or_none
from consumers.progress import report_progress
from consumers.subscribers.store import SubscriberStore
from consumers.zalo.followers import Follower, FollowerStore
from contracts.delivery import ChannelName
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bucket

M = TypeVar("M", bound=BaseModel)
ReaderState = Literal["active", "paused", "left", "unknown"]
EVERYTHING = "*"
"""In counts: readers without a choice, who get every topic."""
_PREFIX = "s."


class Reader(BaseModel):
    """One reader by opaque id; empty `topics` mean every topic.

    `unknown`: a person who wrote on Zalo and is in no list of followers. `since`: when the reader
    subscribed, followed or left, if that is known. `email` and `name` only where asked for.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    channel: ChannelName
    state: ReaderState
    topics: tuple[str, ...] = ()
    frequency: str = ""
    since: datetime | None = None
    email: str = ""
    name: str = ""

    @classmethod
    def of_subscriber(cls, subscriber: Subscriber, now: datetime) -> Self:
        began = next((event.at for event in subscriber.consent_events()), None)
        state: ReaderState = "paused" if subscriber.is_paused_at(now) else "active"
        return cls(
            id=subscriber.id,
            channel=ChannelName.EMAIL,
            state=state if subscriber.active else "left",
            topics=subscriber.topics,
            frequency=subscriber.frequency if subscriber.active else "",
            since=began if subscriber.active else subscriber.left_at,
            email=subscriber.email,
            name=subscriber.name,
        )

    @classmethod
    def of_follower(cls, id: str, follower: Follower) -> Self:
        states: dict[bool | None, ReaderState] = {True: "active", False: "left", None: "unknown"}
        state = states[follower.follows]
        return cls(id=id, channel=ChannelName.ZALO, state=state, since=follower.follows_at)

    def without_contact(self) -> Self:
        return self.model_copy(update={"email": "", "name": ""})


@dataclass(frozen=True, slots=True)
class ReaderFilter:
    """Criteria of a list; an empty one means everything. A topic: readers who get it."""

    topic: str = ""
    channel: str = ""
    state: str = ""
    since: datetime | None = None

    def accepts(self, reader: Reader) -> bool:
        chosen = not self.topic or not reader.topics or self.topic in reader.topics
        is_old = self.since is not None and (reader.since is None or reader.since < self.since)
        named = self.channel in ("", reader.channel) and self.state in ("", reader.state)
        return chosen and named and not is_old

    def to_text(self) -> str:
        """The criteria for the audit log."""
        named = {"topic": self.topic, "channel": self.channel, "state": self.state}
        named["since"] = self.since.isoformat() if self.since else ""
        return " ".join(f"{name}={value}" for name, value in named.items() if value)


class ReaderCounts(BaseModel):
    """Numbers of readers: per channel and state; per topic and frequency of those by e-mail.

    Topic `*`: readers without a choice, who get every topic. Readers who have left count in
    `channels` alone.
    """

    total: int = 0
    channels: dict[ChannelName, dict[ReaderState, int]] = {}
    topics: dict[str, int] = {}
    frequencies: dict[str, int] = {}


@dataclass
class ReaderLister:
    """Reads the records of readers, which it can open. Raises BusError."""

    subscribers: SubscriberStore
    followers: FollowerStore
    wanted: ReaderFilter
    now: datetime
    unreadable: int = 0
    read: int = 0

    def count_read(self) -> None:
        self.read += 1
        report_progress("readers", self.read)

    async def newest(self) -> AsyncIterator[Reader]:
        """The wanted readers by channel, the last changed first; read only as far as asked."""
        for bucket, pattern in self.sources():
            async for key, value in bucket.newest_values(pattern):
                if self.wanted.since and value.created < self.wanted.since:
                    break
                reader = self.parse(bucket, key, value.data)
                if reader and self.wanted.accepts(reader):
                    yield reader

    async def count(self) -> ReaderCounts:
        tally = _Tally()
        for bucket, pattern in self.sources():
            async for key, value in bucket.values(pattern.removesuffix("*")):
                reader = self.parse(bucket, key, value.data)
                if reader and self.wanted.accepts(reader):
                    tally.add(reader)
        return tally.to_counts()

    async def active_subscribers(self) -> AsyncIterator[Subscriber]:
        """The wanted subscribers that have an address."""
        async for _, value in self.subscribers.bucket.values(_PREFIX):
            self.count_read()
            subscriber = self.decode(Subscriber, value.data)
            if subscriber and subscriber.active:
                reader = Reader.of_subscriber(subscriber, self.now)
                if self.wanted.accepts(reader):
                    yield subscriber

    def sources(self) -> list[tuple[Bucket, str]]:
        all_sources = {
            ChannelName.EMAIL: (self.subscribers.bucket, f"{_PREFIX}*"),
            ChannelName.ZALO: (self.followers.bucket, "*"),
        }
        return [one for name, one in all_sources.items() if self.wanted.channel in ("", name)]

    def parse(self, bucket: Bucket, key: str, data: bytes) -> Reader | None:
        """The reader of a record; None for one that can't be read, which is counted."""
        self.count_read()
        if bucket is self.subscribers.bucket:
            subscriber = self.decode(Subscriber, data)
            return Reader.of_subscriber(subscriber, self.now) if subscriber else None
        follower = self.decode(Follower, data)
        return Reader.of_follower(key, follower) if follower else None

    def decode(self, model: type[M], data: bytes) -> M | None:
        decoded = decode_or_none(model.model_validate_json, data)
        self.unreadable += decoded is None
        return decoded


@dataclass
class _Tally:
    """Counters while records are read."""

    states: Counter[tuple[ChannelName, ReaderState]] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    frequencies: Counter[str] = field(default_factory=Counter)

    def add(self, reader: Reader) -> None:
        self.states[reader.channel, reader.state] += 1
        if reader.channel is ChannelName.EMAIL and reader.state != "left":
            self.topics.update(reader.topics or (EVERYTHING,))
            self.frequencies[reader.frequency] += 1

    def to_counts(self) -> ReaderCounts:
        channels: dict[ChannelName, dict[ReaderState, int]] = {}
        for (channel, state), number in sorted(self.states.items()):
            channels.setdefault(channel, {})[state] = number
        return ReaderCounts(
            total=self.states.total(),
            channels=channels,
            topics=dict(sorted(self.topics.items())),
            frequencies=dict(sorted(self.frequencies.items())),
        )
