"""How far the readers of a stream have come: what they have settled has had its consequences."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from consumers.check.batches import Moment
from consumers.check.findings import STUCK_S
from consumers.check.released import Edition
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus


@dataclass(frozen=True, slots=True)
class Reader:
    """A durable consumer at one moment."""

    floor: int  # everything up to here is settled
    given: int  # everything up to here was handed out at least once
    waiting: int  # not handed out yet
    given_at: float
    settled_at: float

    def hangs(self, at: Moment) -> bool:
        """Something is handed out again and again, and nothing gets settled."""
        tries = self.given_at > at.now - STUCK_S
        return not self.waiting and tries and at.over(self.settled_at, STUCK_S)


@dataclass
class Progress:
    """Asks each reader once."""

    bus: Bus
    known: dict[str, Reader] = field(default_factory=dict)

    async def reader(self, stream: str, durable: str) -> Reader:
        if durable not in self.known:
            self.known[durable] = reader(await self.bus.consumer_info(stream, durable))
        return self.known[durable]

    async def intake(self) -> Reader:
        return await self.reader(subjects.CONTENT.name, subjects.INTAKE)

    async def should_be_planned(self, one: Edition, channel: ChannelName, at: Moment) -> bool:
        """Whether the planner is done with a publication, or has had all the time it needs."""
        durable = subjects.dispatch(channel)
        planner = await self.reader(subjects.PUBLICATIONS.name, durable)
        if one.seq <= planner.floor:
            return True
        tried = one.seq <= planner.given and not planner.waiting
        return tried and at.over(one.start, STUCK_S)


def reader(info: dict[str, Any]) -> Reader:
    return Reader(
        floor=info["ack_floor"]["stream_seq"],
        given=info["delivered"]["stream_seq"],
        waiting=info["num_pending"],
        given_at=moment(info["delivered"]),
        settled_at=moment(info["ack_floor"]),
    )


def moment(place: dict[str, Any]) -> float:
    """When something last moved there; 0 when that was before the server started."""
    said = place.get("last_active")
    return datetime.fromisoformat(said).timestamp() if said else 0.0
