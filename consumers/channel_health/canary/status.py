"""Canary status of a channel, evaluated from two records in bucket `control`.

`canary.<channel>.sent` is written by the sender, `canary.<channel>` by the worker. Every reader
evaluates them itself, so a dead sender is noticed too.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contracts import subjects
from contracts.base.times import utc_time
from contracts.delivery import ChannelName
from producers.bus import Bus
from producers.bus.records import parse_stored, require, update

CanaryState = Literal["off", "waiting", "ok", "late", "paused"]
_NO_SENDER = "the service canary does not run"
CHANNEL_SAID, NONE_SENT = "the channel said: ", "none was sent"
"""How a reason begins that the channel gave, and one of the service canary."""
_ABSENCE_FRACTION = 10
"""A sender's absence counts from this fraction of the time limit (a tenth) on."""
RETRY_S = 60.0
"""The interval after a canary that failed, if the usual one is longer."""


class CanaryAnswer(BaseModel):
    """Result of the latest canary that a worker took; `ok_at`: the last success."""

    model_config = ConfigDict(frozen=True)

    number: int = 0
    at: float = 0.0
    ok: bool = False
    reason: str = ""
    ok_at: float = 0.0


class SentCanary(BaseModel):
    """The latest canary of a channel; `since`: the start of its time limit.

    `seen`: the last presence of a sender; `off`: the channel has no canaries any more.
    """

    model_config = ConfigDict(frozen=True)

    number: int = 0
    at: float = 0.0
    since: float
    every_s: float
    grace_s: float
    paused: bool = False
    seen: float = 0.0
    off: bool = False

    @property
    def limit_s(self) -> float:
        """The age from which a canary is late."""
        return self.every_s + self.grace_s

    def next_at(self, answer: CanaryAnswer) -> float:
        """When the next one goes, once *answer* is that of the latest; sooner if it failed."""
        return self.at + (self.every_s if answer.ok else min(self.every_s, RETRY_S))

    @property
    def is_inactive(self) -> bool:
        return self.paused or self.off

    @property
    def last_seen_at(self) -> float:
        """Last presence of a sender; records of older versions only have the send time."""
        return max(self.seen, self.at)

    def resumed(self, answer: CanaryAnswer, now: float) -> "SentCanary":
        """The record when a sender starts again; the time without a sender does not count."""
        away = now - self.last_seen_at
        if away <= self.limit_s / _ABSENCE_FRACTION:
            return self
        since = min(now, max(self.since, answer.ok_at) + away)
        return self.model_copy(update={"seen": now, "since": since})


class CanaryStatus(BaseModel):
    """State of a channel by its canaries: since when, and why if late, or if the last one failed.

    `next_at`: when the next one goes; none while one is on its way, or none are sent.
    """

    model_config = ConfigDict(frozen=True)

    state: CanaryState
    since: datetime | None = None
    why: str = ""
    next_at: datetime | None = None


CANARY_OFF = CanaryStatus(state="off")


def sent_key(channel: ChannelName) -> str:
    return f"canary.{channel}.sent"


def answer_key(channel: ChannelName) -> str:
    return f"canary.{channel}"


def evaluate(sent: SentCanary | None, answer: CanaryAnswer, now: float) -> CanaryStatus:
    """`waiting` until the first success, `late` if none came in time."""
    if sent is None or sent.off:
        return CANARY_OFF
    if sent.paused:
        return CanaryStatus(state="paused", since=utc_time(round(sent.since)))
    proven_at = max(answer.ok_at, sent.since)
    state: CanaryState = "waiting" if answer.ok_at < sent.since else "ok"
    is_late = now - proven_at > sent.limit_s
    return CanaryStatus(
        state="late" if is_late else state,
        since=utc_time(round(proven_at)),
        why=_late_reason(sent, answer, now) if is_late else _failure(sent, answer),
        next_at=_next_at(sent, answer, now),
    )


def _next_at(sent: SentCanary, answer: CanaryAnswer, now: float) -> datetime | None:
    """When the next canary goes; none while one is on its way."""
    is_on_its_way = answer.number < sent.number
    return None if is_on_its_way else utc_time(round(max(sent.next_at(answer), now)))


def _late_reason(sent: SentCanary, answer: CanaryAnswer, now: float) -> str:
    if answer.number < sent.number:
        return "nobody took it from the queue"
    if now - sent.at > sent.limit_s:
        there = now - sent.last_seen_at <= sent.limit_s / _ABSENCE_FRACTION
        return "none was sent in time" if there else f"{NONE_SENT}: {_NO_SENDER}"
    return f"{CHANNEL_SAID}{answer.reason or 'nothing'}"


def _failure(sent: SentCanary, answer: CanaryAnswer) -> str:
    """Why the latest canary failed; empty if it has not, or if it is on its way."""
    has_failed = answer.number >= sent.number > 0 and not answer.ok and answer.at >= sent.since
    return f"{CHANNEL_SAID}{answer.reason or 'nothing'}" if has_failed else ""


async def restart_canary(bus: Bus, channel: ChannelName, now: float) -> None:
    """Count a channel's time limit from *now*, and let its next canary go at once."""
    bucket, key = bus.bucket(subjects.CONTROL.name), sent_key(channel)
    if await bucket.get(key):
        await update(bucket, key, SentCanary, lambda stored: _restarted(stored, now))


def _restarted(stored: SentCanary | None, now: float) -> SentCanary:
    return require(stored).model_copy(update={"since": now, "at": 0.0})


async def load_records(
    bus: Bus, channels: Iterable[ChannelName]
) -> Mapping[ChannelName, tuple[SentCanary | None, CanaryAnswer]]:
    channels = list(channels)
    keys = [key(channel) for channel in channels for key in (sent_key, answer_key)]
    values = await bus.bucket(subjects.CONTROL.name).get_many(keys)
    loaded = {}
    for channel in channels:
        sent, answer = values.get(sent_key(channel)), values.get(answer_key(channel))
        loaded[channel] = (
            parse_stored(SentCanary, sent_key(channel), sent.data) if sent else None,
            parse_stored(CanaryAnswer, answer_key(channel), answer.data)
            if answer
            else CanaryAnswer(),
        )
    return loaded


async def load_statuses(bus: Bus, now: float) -> dict[ChannelName, CanaryStatus]:
    """The canary status of every channel. Raises BusError."""
    records = await load_records(bus, ChannelName)
    return {channel: evaluate(sent, answer, now) for channel, (sent, answer) in records.items()}
