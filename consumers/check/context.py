"""Context of the rules: time, progress of consumers, excuses, publications, records in bulk."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from consumers.check.findings import STUCK_S
from consumers.check.publications import PublicationFacts, PublicationIndex
from consumers.seals.publications import PublicationSeals
from contracts import subjects
from contracts.base.times import Clock
from contracts.delivery import ChannelName, Lane
from producers.bus import Bucket, Bus
from producers.bus.records import parse

_RECHECK_AFTER_S = 6.0
"""By then all wake-ups have come again that a pause or a lost bus had delayed."""

Kind = TypeVar("Kind", bound=BaseModel)
IsExcused = Callable[[ChannelName, Lane], Awaitable[bool]]


async def _never_excused(_: ChannelName, __: Lane) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class CheckTime:
    """The time of the check, and since when Loa has been running; in epoch seconds."""

    now: float
    running_since: float = 0.0

    def is_overdue(self, at: float, grace_s: float) -> bool:
        """Whether *at* is longer ago than the grace, and a running Loa could have acted on it."""
        return max(at, self.running_since) < self.now - grace_s


@dataclass
class CheckContext:
    """The context of all rules. `deep` also reads every frozen list of recipients.

    Without `seals`, messages that Loa did not release are not told from its own.
    `excuses` is asked anew for each pass; `running_since`: when the running Loa started, if known.
    """

    bus: Bus
    clock: Clock = time.time
    deep: bool = False
    excuses: Callable[[], IsExcused] = lambda: _never_excused
    running_since: float = 0.0
    recheck_after_s: float = _RECHECK_AFTER_S
    seals: PublicationSeals | None = None
    ledger_cut: datetime | None = None
    """Retention has removed notices that ended before."""

    def __post_init__(self) -> None:
        self.publications = PublicationIndex(self.bus, self.seals)

    def may_be_removed(self, at: datetime) -> bool:
        """Whether retention may have removed the notice of an event of that time."""
        return self.ledger_cut is not None and at < self.ledger_cut

    def time(self) -> CheckTime:
        return CheckTime(self.clock(), self.running_since)


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """A durable consumer at one moment."""

    ack_floor: int  # everything up to here is settled
    delivered: int  # everything up to here was handed out at least once
    pending: int  # not handed out yet
    delivered_at: float
    acked_at: float

    @classmethod
    def of(cls, info: dict[str, Any]) -> "ConsumerState":
        return cls(
            ack_floor=info["ack_floor"]["stream_seq"],
            delivered=info["delivered"]["stream_seq"],
            pending=info["num_pending"],
            delivered_at=_last_active(info["delivered"]),
            acked_at=_last_active(info["ack_floor"]),
        )

    def is_stuck(self, at: CheckTime) -> bool:
        """Whether messages are handed out again and again, and none is settled."""
        tries = self.delivered_at > at.now - STUCK_S
        return not self.pending and tries and at.is_overdue(self.acked_at, STUCK_S)


def _last_active(position: dict[str, Any]) -> float:
    """The time of the last progress there; 0 if that was before the server started."""
    at = position.get("last_active")
    return datetime.fromisoformat(at).timestamp() if at else 0.0


@dataclass
class ConsumerProgress:
    """Progress of durable consumers, each asked once.

    All messages up to the acknowledged floor have had their consequences.
    """

    bus: Bus
    states: dict[str, ConsumerState] = field(default_factory=dict)

    async def consumer(self, stream: str, durable: str) -> ConsumerState:
        if durable not in self.states:
            info = await self.bus.consumer_info(stream, durable)
            self.states[durable] = ConsumerState.of(info)
        return self.states[durable]

    async def should_be_planned(
        self, publication: PublicationFacts, channel: ChannelName, at: CheckTime
    ) -> bool:
        """Whether the planner is done with a publication, or has had all the time it needs."""
        durable = subjects.dispatch(channel)
        planner = await self.consumer(subjects.PUBLICATIONS.name, durable)
        if publication.seq <= planner.ack_floor:
            return True
        tried = publication.seq <= planner.delivered and not planner.pending
        return tried and at.is_overdue(publication.start, STUCK_S)


async def read_records(bucket: Bucket, names: Sequence[str], kind: type[Kind]) -> dict[str, Kind]:
    """Read records by key, without absent and unreadable ones."""
    values = await bucket.get_many(names)
    records = {key: parse(kind, value.data) for key, value in values.items()}
    return {key: record for key, record in records.items() if record is not None}
