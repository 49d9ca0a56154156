"""Wake-ups: queue messages that say "batch K has work" and carry no truth."""

import json
from datetime import UTC, datetime

from pydantic import BaseModel

from contracts import subjects
from contracts.crash import crash_point
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bus


class WakeUp(BaseModel):
    """The body of a wake-up; losing one costs time, doubling one costs nothing."""

    batch: str
    lane: Lane

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
        await self.bus.publish(
            subjects.deliver(batch.channel, lane), body(batch, lane), msg_id=message_id
        )
        crash_point("wake.sent")

    async def later(self, batch: BatchKey, lane: Lane, number: int, at: float) -> None:
        """Wake at *at* (seconds since the epoch); storing the same wake-up again replaces it."""
        await self.bus.schedule(
            datetime.fromtimestamp(at, UTC),
            subjects.scheduled(batch, number),
            subjects.deliver(batch.channel, lane),
            body(batch, lane),
        )


def body(batch: BatchKey, lane: Lane) -> bytes:
    return json.dumps({"batch": str(batch), "lane": lane}).encode()


async def queued(bus: Bus, channel: ChannelName, lane: Lane) -> int:
    """How many wake-ups of a lane nobody has taken yet."""
    durable = subjects.durable(subjects.deliver(channel, lane))
    queue = await bus.consumer_info(subjects.DELIVER.name, durable)
    return int(queue["num_pending"])
