"""Sources of the facts that units are told: positions, dead letters, and ended deliveries.

A source names revisions that have changed; the facts follow from what is stored of them. So a
process that dies is followed by one that finds the same facts again.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple

from consumers.dead_letters.letter import DeadLetter
from consumers.dead_letters.message_info import data_of, parse_object
from consumers.dead_letters.store import parse_letter
from consumers.facts.store import FactStore
from consumers.intake.items import NOT_ADMITTED_CODE, Position
from contracts import keys, subjects
from contracts.base.fields import REVISION_MAX
from contracts.editorial.action import NOT_RELEASED
from contracts.facts import DeliveryFact, FactKind
from contracts.facts.content_status import (
    ContentStatus,
    DeliveryCounts,
    StatusFact,
    StatusKind,
    status_fact,
)
from producers.bus import Bucket, Bus, Value
from producers.bus.records import parse

_ACCEPTED = "content"
"""First word of the subjects of events about items."""
_INTAKE = "intake"


class Derived(NamedTuple):
    """The facts of one change, in their order; with it the source was read up to *seq*."""

    seq: int
    facts: Sequence[StatusFact] = ()


class StatusSource(ABC):
    """A source of facts. `stream`: the stream of `Derived.seq`. Raises BusError."""

    name: ClassVar[str]
    stream: str

    @abstractmethod
    def derive(self, after: int) -> AsyncIterator[Derived]:
        """Yield the facts of changes after sequence *after*, in the order of the changes."""


@dataclass
class PositionSource(StatusSource):
    """Positions of items: accepted, and what became of them at the desk or by a withdrawal."""

    bucket: Bucket
    name: ClassVar = "positions"

    def __post_init__(self) -> None:
        self.stream = self.bucket.stream

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        async for key, value in self.bucket.values(start=after + 1):
            yield Derived(value.revision, _position_facts(key, value))


def _position_facts(key: str, value: Value) -> list[StatusFact]:
    """The facts of a position as it is stored; none for other records, and before intake took it.

    What intake refused is told by its dead letter.
    """
    content_id, _, revision = key.partition(".")
    position = parse(Position, value.data) if revision else None
    if position is None or position.code == NOT_ADMITTED_CODE or keys.is_personal(content_id):
        return []
    told = _Told(content_id, int(revision), position)
    outcome = told.outcome(value.created)
    return [told.accepted(), outcome] if outcome else [told.accepted()]


class _Told(NamedTuple):
    """A position, as facts name it."""

    content_id: str
    revision: int
    position: Position

    def accepted(self) -> StatusFact:
        return self._fact(StatusKind.ACCEPTED, self.position.at, mark=self.position.event_id)

    def outcome(self, changed: datetime) -> StatusFact | None:
        """The outcome; None while the position waits, or is on its way to PUBLICATIONS."""
        match self.position.state:
            case "released" | "scheduled":
                is_out = self.position.seq is not None or self.position.code == NOT_RELEASED
                return self.released(changed) if is_out else None
            case "refused":
                return self._rejected(changed)
            case "withdrawn":
                return self._withdrawn(changed)
        return None

    def released(self, changed: datetime) -> StatusFact:
        """A release; of a change that readers do not get, one without channels."""
        record = self.position
        channels = () if record.code == NOT_RELEASED else record.channels
        at = record.released_at or changed
        return self._fact(StatusKind.RELEASED, at, channels=channels)

    def _rejected(self, changed: datetime) -> StatusFact:
        record = self.position
        at = record.decision.at if record.decision else changed
        mark = at.isoformat() if record.decision else record.code
        why = {"code": record.code, "reason": record.reason}
        return self._fact(StatusKind.REJECTED, at, mark=mark, **why)

    def _withdrawn(self, changed: datetime) -> StatusFact | None:
        """A withdrawal, once it is published; a text withdrawn before its release is told too."""
        record = self.position
        is_to_publish = record.kind == "withdrawn" and record.released_at is not None
        if is_to_publish and record.seq is None:
            return None
        return self._fact(StatusKind.WITHDRAWN, record.released_at or changed)

    def delivered(self, fact: DeliveryFact) -> StatusFact:
        """The end of the delivery on a channel."""
        counts = DeliveryCounts.of(fact.counts, fact.copies)
        at = fact.ended_at or fact.began_at
        return self._fact(StatusKind.DELIVERED, at, channel=fact.channel, counts=counts)

    def _fact(self, kind: StatusKind, at: datetime, mark: str = "", **more: object) -> StatusFact:
        about = {"unit": self.position.unit, "event_id": self.position.event_id}
        of = {"content_id": self.content_id, "revision": self.revision}
        said = {**about, **of, "kind": kind, "at": at, **more}
        return status_fact(ContentStatus.model_validate(said), mark)


@dataclass
class DeliverySource(StatusSource):
    """FACTS: the deliveries that have ended, each behind what its position says."""

    store: FactStore
    positions: Bucket
    name: ClassVar = "deliveries"
    stream: str = subjects.FACTS.name

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        async for stored in self.store.scan(FactKind.DELIVERY, start=after + 1):
            if isinstance(stored.fact, DeliveryFact):
                yield Derived(stored.seq, await self._facts(stored.fact))

    async def _facts(self, fact: DeliveryFact) -> list[StatusFact]:
        """None for a digest, which is of no unit.

        What was delivered was released, also where the position does not say so yet.
        """
        key = keys.publication_key(fact.content_id, fact.revision)
        value = await self.positions.get(key)
        position = parse(Position, value.data) if value else None
        if value is None or position is None or keys.is_personal(fact.content_id):
            return []
        told = _Told(fact.content_id, fact.revision, position)
        outcome = told.outcome(value.created) or told.released(value.created)
        return [told.accepted(), outcome, told.delivered(fact)]


@dataclass
class RefusalSource(StatusSource):
    """DEAD: the events about items that intake has refused."""

    bus: Bus
    name: ClassVar = "refusals"
    stream: str = subjects.DEAD.name

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        subject = subjects.dead(_INTAKE)
        async for message in self.bus.scan(self.stream, subject, start=after + 1):
            fact = _refusal_fact(parse_letter(message))
            yield Derived(message.seq, [fact] if fact else [])


def all_sources(bus: Bus) -> Sequence[StatusSource]:
    """Every source; the release of an item is told before its delivery where both are new."""
    positions = bus.bucket(subjects.PUBLISHED.name)
    delivered = DeliverySource(FactStore(bus), positions)
    return RefusalSource(bus), PositionSource(positions), delivered


def _refusal_fact(letter: DeadLetter) -> StatusFact | None:
    """The refusal that a letter tells; None for a letter about anything else than an item's event.

    The same event that is refused again for the same reasons is told once.
    """
    family, _, rest = letter.origin.subject.partition(".")
    about = letter.about
    is_event = letter.origin.stream == subjects.CONTENT.name and family == _ACCEPTED
    if not is_event or about.unit != rest.partition(".")[0] or keys.is_personal(about.content_id):
        return None
    status = ContentStatus(
        unit=about.unit,
        kind=StatusKind.REFUSED,
        content_id=about.content_id or None,
        revision=_revision_of(letter.original),
        event_id=about.event_id or None,
        at=letter.at,
        errors=letter.errors,
    )
    reasons = (part for error in letter.errors for part in (error.field, error.message))
    return status_fact(status, keys.digest(letter.identity, *reasons))


def _revision_of(body: bytes) -> int | None:
    """The revision that an event names, in structured or binary mode; None for none that is one."""
    fields = parse_object(body)
    named = data_of(fields).get("revision") or fields.get("revision")
    if not isinstance(named, int) or isinstance(named, bool):
        return None
    return named if 1 <= named <= REVISION_MAX else None
