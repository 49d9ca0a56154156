"""Facts that a unit was told of one item, and how many of them each endpoint has."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from consumers.callbacks.progress import Progress, Waiting
from consumers.callbacks.status_store import StatusStore, StoredStatus
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.facts.content_status import DeliveryCounts, StatusKind
from producers.bus import Bus, topology


class ToldFact(BaseModel):
    """A fact about the item, as the bus and callbacks tell it. `told_at`: when it was stored.

    `counts`: of the end of a delivery. `event_id`: the event with which the revision came.
    """

    fact: str
    kind: StatusKind
    revision: int | None
    channel: ChannelName | None
    at: datetime
    told_at: datetime
    counts: DeliveryCounts | None = None
    event_id: str | None = None

    @classmethod
    def of(cls, stored: StoredStatus) -> Self:
        told = {"kind", "revision", "channel", "at", "counts", "event_id"}
        about = stored.fact.status.model_dump(include=told)
        return cls(fact=stored.fact.id, told_at=stored.at, **about)


class EndpointShare(BaseModel):
    """The facts of the item for one endpoint: how many have arrived, and how many wait.

    `failing_since`, `next_try`: of the item, if it has failed there. An endpoint that is down is
    tried with one item of many, so there is no next try.
    """

    endpoint: str
    url: str
    state: str
    arrived: int
    waiting: int
    failing_since: datetime | None = None
    next_try: datetime | None = None

    @classmethod
    def of(cls, listed: ListedEndpoint, item: str, facts: Sequence[StoredStatus]) -> Self:
        """The share of *listed*: the facts of its kinds that were ever for it."""
        endpoint, progress = listed.endpoint, listed.progress
        seqs = [
            one.seq
            for one in facts
            if progress.includes(one.seq) and one.fact.status.kind in endpoint.told_kinds
        ]
        waits = sum(progress.awaits(seq, item) for seq in seqs)
        known = progress.waiting.get(item)
        held = known if known and known.tries else None
        return cls(
            endpoint=listed.id,
            url=endpoint.origin,
            state=listed.state,
            arrived=len(seqs) - waits,
            waiting=waits,
            failing_since=held.since if held else None,
            next_try=_next_try(held, progress) if held else None,
        )


def _next_try(held: Waiting, progress: Progress) -> datetime | None:
    if progress.disabled or progress.is_down:
        return None
    return max(held.due, progress.paused_until or held.due)


class ToldItem(BaseModel):
    """The facts of an item that STATUS keeps, and the endpoints of its unit."""

    facts: list[ToldFact]
    endpoints: list[EndpointShare]


async def read_told(bus: Bus, unit: str, content_id: str) -> ToldItem | None:
    """The facts that *unit* was told of an item; None without one. Raises BusError."""
    if not await topology.stream_exists(bus, subjects.STATUS.name):
        return None
    subject = subjects.status(unit, content_id)
    found = [one async for one in StatusStore(bus).scan(subject)]
    listed = await EndpointStore(bus).of_unit(unit)
    if not found:
        return None
    return ToldItem(
        facts=[ToldFact.of(one) for one in found],
        endpoints=[EndpointShare.of(one, content_id, found) for one in listed],
    )
