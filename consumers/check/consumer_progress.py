"""Progress of durable consumers: all up to the acknowledged floor has had its consequences."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from consumers.check.batches import CheckTime
from consumers.check.findings import STUCK_S
from consumers.check.publications import PublicationFacts
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """A durable consumer at one moment."""

    ack_floor: int  # everything up to here is settled
    delivered: int  # everything up to here was handed out at least once
    pending: int  # not handed out yet
    delivered_at: float
    acked_at: float

    def is_stuck(self, at: CheckTime) -> bool:
        """Something is handed out again and again, and nothing gets settled."""
        tries = self.delivered_at > at.now - STUCK_S
        return not self.pending and tries and at.is_overdue(self.acked_at, STUCK_S)


@dataclass
class ConsumerProgress:
    """Asks each reader once."""

    bus: Bus
    states: dict[str, ConsumerState] = field(default_factory=dict)

    async def consumer(self, stream: str, durable: str) -> ConsumerState:
        if durable not in self.states:
            self.states[durable] = consumer_state(await self.bus.consumer_info(stream, durable))
        return self.states[durable]

    async def intake(self) -> ConsumerState:
        return await self.consumer(subjects.CONTENT.name, subjects.INTAKE)

    async def should_be_planned(
        self, one: PublicationFacts, channel: ChannelName, at: CheckTime
    ) -> bool:
        """Whether the planner is done with a publication, or has had all the time it needs."""
        durable = subjects.dispatch(channel)
        planner = await self.consumer(subjects.PUBLICATIONS.name, durable)
        if one.seq <= planner.ack_floor:
            return True
        tried = one.seq <= planner.delivered and not planner.pending
        return tried and at.is_overdue(one.start, STUCK_S)


def consumer_state(info: dict[str, Any]) -> ConsumerState:
    return ConsumerState(
        ack_floor=info["ack_floor"]["stream_seq"],
        delivered=info["delivered"]["stream_seq"],
        pending=info["num_pending"],
        delivered_at=last_active(info["delivered"]),
        acked_at=last_active(info["ack_floor"]),
    )


def last_active(place: dict[str, Any]) -> float:
    """When something last moved there; 0 when that was before the server started."""
    said = place.get("last_active")
    return datetime.fromisoformat(said).timestamp() if said else 0.0
