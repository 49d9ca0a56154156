"""Wake-ups: queue messages that say "batch K has work" and carry no truth."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel, field_validator

from consumers.ledger.entry import LedgerEntry
from contracts import subjects
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bus

_CANARY_PREFIX = "canary."
_NO_EVENT: Mapping[str, int | str] = {}


class CanaryKey(NamedTuple):
    """The key of a canary, in a wake-up in place of a batch's key."""

    channel: ChannelName
    number: int

    def __str__(self) -> str:
        return f"{_CANARY_PREFIX}{self.channel}.{self.number}"

    @classmethod
    def parse(cls, text: str) -> "CanaryKey":
        """Read the text form. Raises ValueError for anything else."""
        channel, number = text.removeprefix(_CANARY_PREFIX).split(".")
        return cls(ChannelName(channel), int(number))


class WakeUp(BaseModel):
    """The body of a wake-up; losing one costs time, doubling one costs nothing.

    A notice's first wake-up names its event as its ledger entry does. What belongs to the event may
    be read before the entry is, and counts only if the entry names the same one.
    """

    batch: str
    lane: Lane
    notice_seq: int = 0
    notice_event_id: str = ""

    @field_validator("batch")
    @classmethod
    def _check_key(cls, text: str) -> str:
        """Refuse an invalid key: the wake-up becomes a dead letter and is not retried forever."""
        CanaryKey.parse(text) if text.startswith(_CANARY_PREFIX) else BatchKey.parse(text)
        return text

    @property
    def canary(self) -> CanaryKey | None:
        """The canary's key; None for a batch."""
        return CanaryKey.parse(self.batch) if self.batch.startswith(_CANARY_PREFIX) else None

    @property
    def key(self) -> BatchKey:
        return BatchKey.parse(self.batch)


class Waker:
    """Puts wake-ups into the queue, now or later."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def wake(self, batch: BatchKey, lane: Lane, number: int | None = None) -> None:
        """Wake now. With a *number* a repeat is absorbed; the sweeper's wake-ups have none."""
        message_id = None if number is None else f"{batch}.{number}"
        await self._send(batch, lane, _encode_wake_up(batch, lane), message_id)

    async def wake_notice(self, batch: BatchKey, entry: LedgerEntry) -> None:
        """Wake the only batch of personal content for the first time; a repeat is absorbed."""
        event: dict[str, int | str] = {}
        if entry.notice_seq:
            event = {"notice_seq": entry.notice_seq, "notice_event_id": entry.notice_event_id}
        await self._send(batch, entry.lane, _encode_wake_up(batch, entry.lane, event), f"{batch}.0")

    async def _send(self, batch: BatchKey, lane: Lane, body: bytes, msg_id: str | None) -> None:
        subject = subjects.deliver(batch.channel, lane)
        await self.bus.publish(subject, body, msg_id=msg_id, headers=tracing.carrier())
        crash_point("wake.sent")

    async def send_canary(self, canary: CanaryKey) -> None:
        subject = subjects.deliver(canary.channel, Lane.URGENT)
        await self.bus.publish(subject, _encode_wake_up(canary, Lane.URGENT), msg_id=str(canary))

    async def schedule(self, batch: BatchKey, entry: LedgerEntry) -> None:
        """Wake when *entry* is due; storing the same wake-up again replaces it."""
        await self.bus.schedule(
            utc_time(entry.due),
            subjects.scheduled(batch, entry.wake_number),
            subjects.deliver(batch.channel, entry.lane),
            _encode_wake_up(batch, entry.lane),
        )


def _encode_wake_up(
    key: BatchKey | CanaryKey, lane: Lane, event: Mapping[str, int | str] = _NO_EVENT
) -> bytes:
    return json.dumps({"batch": str(key), "lane": lane, **event}).encode()


async def count_queued(bus: Bus, channel: ChannelName, lane: Lane) -> int:
    """Number of wake-ups of a lane that no worker has taken yet."""
    durable = subjects.durable(subjects.deliver(channel, lane))
    queue = await bus.consumer_info(subjects.DELIVER.name, durable)
    return int(queue["num_pending"])
