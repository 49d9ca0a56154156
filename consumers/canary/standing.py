"""What canaries prove of a channel: two records in bucket `control`, and the judgement of them.

`canary.<channel>.sent` is the sender's, `canary.<channel>` the worker's. Whoever asks judges for
itself, so that a sender that has died is noticed too.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus

State = Literal["off", "waiting", "ok", "late", "paused"]
SHORT = 10
"""A sender that was away for a tenth of what a canary may take was not away."""


class Said(BaseModel):
    """What became of the latest canary that a worker took; `ok_at`: the last that went through."""

    model_config = ConfigDict(frozen=True)

    number: int = 0
    at: float = 0.0
    ok: bool = False
    reason: str = ""
    ok_at: float = 0.0


class Sent(BaseModel):
    """The latest canary of a channel; `since` when the channel owes an answer.

    `seen` is when a sender was last there; `off`: the channel is not tried any more.
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
        """A canary that is older than this is late."""
        return self.every_s + self.grace_s

    @property
    def rests(self) -> bool:
        """Nothing is sent, and nothing owed."""
        return self.paused or self.off

    @property
    def last_seen(self) -> float:
        """Records of an older sender do not say when it was there, only when it sent."""
        return max(self.seen, self.at)

    def taken_up(self, said: Said, now: float) -> "Sent":
        """A sender has started. The time in which none was there is no fault of the channel; all
        the other time counts, however often senders come and go."""
        away = now - self.last_seen
        if away <= self.limit_s / SHORT:
            return self
        since = min(now, max(self.since, said.ok_at) + away)
        return self.model_copy(update={"seen": now, "since": since})


class Standing(BaseModel):
    """How a channel stands by its canaries: since when, and why if it is late."""

    model_config = ConfigDict(frozen=True)

    state: State
    since: datetime | None = None
    why: str = ""


OFF = Standing(state="off")


def sent_key(channel: ChannelName) -> str:
    return f"canary.{channel}.sent"


def said_key(channel: ChannelName) -> str:
    return f"canary.{channel}"


def judge(sent: Sent | None, said: Said, now: float) -> Standing:
    """`waiting` until the first one is back, `late` when none came back in time."""
    if sent is None or sent.off:
        return OFF
    if sent.paused:
        return Standing(state="paused", since=moment(sent.since))
    proven_at = max(said.ok_at, sent.since)
    if now - proven_at > sent.limit_s:
        return Standing(state="late", since=moment(proven_at), why=why(sent, said, now))
    if said.ok_at < sent.since:
        return Standing(state="waiting", since=moment(sent.since))
    return Standing(state="ok", since=moment(said.ok_at))


def why(sent: Sent, said: Said, now: float) -> str:
    if said.number < sent.number:
        return "nobody took it from the queue"
    if now - sent.at > sent.limit_s:
        there = now - sent.last_seen <= sent.limit_s / SHORT
        return "none was sent" + (" in time" if there else ": the service canary does not run")
    return f"the channel said: {said.reason or 'nothing'}"


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds), UTC)


async def records(
    bus: Bus, channels: Iterable[ChannelName]
) -> Mapping[ChannelName, tuple[Sent | None, Said]]:
    """What stands in the bucket, in one question."""
    channels = list(channels)
    keys = [key(one) for one in channels for key in (sent_key, said_key)]
    found = await bus.bucket(subjects.CONTROL.name).many(keys)
    known = {}
    for one in channels:
        sent, said = found.get(sent_key(one)), found.get(said_key(one))
        known[one] = (
            Sent.model_validate_json(sent.data) if sent else None,
            Said.model_validate_json(said.data) if said else Said(),
        )
    return known


async def standings(bus: Bus, now: float) -> dict[ChannelName, Standing]:
    """How every channel stands. Raises BusError."""
    known = await records(bus, ChannelName)
    return {one: judge(sent, said, now) for one, (sent, said) in known.items()}
