"""Whether every accepted event has had its consequence: a position, or a dead letter.

Intake settles a message only after everything that follows from it is stored. So all up to its
floor must have left its mark; what lies above is on its way, and judged by its age alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeVar, cast

from pydantic import BaseModel, ValidationError

from consumers.check import notices
from consumers.check.batches import Moment
from consumers.check.findings import STUCK_S, Tell, Violation, untold
from consumers.check.progress import Progress, Reader
from consumers.check.released import fingerprint, messages
from consumers.dead_letters import Origin
from consumers.items import Item
from consumers.release import edition
from consumers.retry import GIVE_UP_S
from contracts import envelope, events, keys, subjects
from contracts.case import CaseNotice
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted, Withdrawn
from contracts.errors import ContractError
from contracts.records import EventRecord
from producers.bus import Bucket, Bus, Message

Kind = TypeVar("Kind", bound=BaseModel)
AT_ONCE = 250
CONTENT = subjects.CONTENT.name
KEPT = (subjects.CONTENT, subjects.PUBLICATIONS, subjects.DEAD)
"""Streams from which nothing ever goes."""


class Buried(BaseModel):
    """A dead letter, as far as it says whose it is."""

    origin: Origin
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """One message of CONTENT. `said` is None for what is no event."""

    seq: int
    event_id: str
    hash: str
    said: Submitted | Withdrawn | CaseNotice | None

    @property
    def content_id(self) -> str:
        return self.said.content_id if self.said else ""


@dataclass(frozen=True, slots=True)
class Known:
    """What the buckets say of some messages."""

    records: dict[str, EventRecord]
    items: dict[str, Item]
    positions: frozenset[str]
    notices: frozenset[str]


@dataclass
class Count:
    """Where in the sequence of all accepted events the lost ones lie."""

    kept: int = 0
    first: int = 0
    last: int = 0

    def keep(self, seq: int) -> None:
        self.kept += 1
        self.first = self.first or seq
        self.last = seq

    def place(self, seq: int) -> str:
        if not self.kept or seq < self.first:
            return "at the beginning"
        return "at the end" if seq > self.last else "in the middle"


@dataclass
class Events:
    """CONTENT against the buckets `events` and `publications`; fills `says` for the releases."""

    bus: Bus
    clock: Callable[[], float]
    since: float = 0.0
    again_s: float = 0.0
    tell: Tell = untold
    says: dict[str, bytes] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.records = self.bus.bucket(subjects.EVENTS.name)
        self.register = self.bus.bucket(subjects.PUBLISHED.name)
        self.ledger = self.bus.bucket(subjects.LEDGER.name)
        self.buried: set[int] = set()
        self.erased: set[int] = set()
        self.unsent: dict[str, EventRecord] = {}
        self.placed = Count()

    async def violations(self) -> list[Violation]:
        at = Moment(self.clock(), self.since)
        intake = await Progress(self.bus).intake()
        states = [(await self.bus.stream_info(one.name))["state"] for one in KEPT]
        found = [one async for one in self.read_dead()]
        found += [one async for one in self.read_unsent(at)]
        suspects: list[Message] = []
        async for chunk in messages(self.bus, CONTENT, AT_ONCE):
            found += self.hanging(chunk, intake, at)
            suspects += [one for one in await self.lost(chunk) if one.seq <= intake.floor]
            self.count += len(chunk)
            self.erased.difference_update(one.seq for one in chunk)
            self.tell("events", self.count)
        found += [self.violation(one) for one in await self.lost_still(suspects)]
        found += self.gaps(states, intake)
        return found + [unpublished(id, one) for id, one in self.unsent.items()]

    def gaps(self, states: Sequence[dict[str, int]], intake: Reader) -> Iterator[Violation]:
        """Messages that once were there and are not any more, though no letter says why."""
        for stream, state in zip(KEPT, states, strict=True):
            content = stream is subjects.CONTENT
            erased = self.erased if content else set()
            for detail in missing(state, intake.floor if content else 0, erased):
                yield Violation(rule="stream-gap", key=stream.name, detail=detail)

    async def read_dead(self) -> AsyncIterator[Violation]:
        """Which messages died. Yields those letters that can't be read."""
        async for message in self.bus.scan(subjects.DEAD.name):
            letter = parse(Buried, message.data)
            if letter is None:
                yield illegible(f"{subjects.DEAD.name}.{message.seq}")
            elif letter.origin.stream == CONTENT:
                self.buried.add(letter.origin.seq)
                self.erased |= {letter.origin.seq} if letter.erased else set()

    async def read_unsent(self, at: Moment) -> AsyncIterator[Violation]:
        """Events that were booked and have no position; those with a message are struck off."""
        fresh: dict[str, EventRecord] = {}
        async for event_id, value in self.records.values():
            record = parse(EventRecord, value.data)
            if record is None:
                yield illegible(f"event.{event_id}")
            elif not record.refused and at.over(booked(record), STUCK_S):
                fresh |= {event_id: record} if booked(record) > at.now - GIVE_UP_S else {}
        names = list({one.content_id for one in fresh.values()})
        items = await read(self.register, names, Item)
        self.unsent = {
            event_id: record
            for event_id, record in fresh.items()
            if not has_position(items.get(record.content_id), event_id)
        }

    def hanging(self, chunk: Sequence[Message], intake: Reader, at: Moment) -> Iterator[Violation]:
        """Tried again and again, and neither taken in nor buried."""
        if not intake.hangs(at):
            return
        for one in chunk:
            if one.seq > intake.floor and at.over(one.time.timestamp(), STUCK_S):
                key = f"{CONTENT}.{one.seq}"
                yield Violation(rule="event-stuck", key=key, detail="tried in vain for long")

    async def lost(self, chunk: Sequence[Message]) -> list[Message]:
        """Those that left no mark."""
        accepted = [read_event(one) for one in chunk]
        known = await self.known(accepted)
        placed = {one.seq for one in accepted if self.place(one, known)} | self.buried
        for one in chunk:
            if one.seq in placed:
                self.placed.keep(one.seq)
        return [one for one in chunk if one.seq not in placed]

    async def known(self, accepted: Sequence[Accepted]) -> Known:
        names = [one.event_id for one in accepted if one.said]
        content_ids = list({one.content_id for one in accepted if one.said})
        records, items = await asyncio.gather(
            read(self.records, names, EventRecord), read(self.register, content_ids, Item)
        )
        wanted = [
            keys.publication_key(one.content_id, items[one.content_id].position_of(one.event_id))
            for one in accepted
            if one.content_id in items
        ]
        told = [key for one in accepted for key in places(one, records)]
        positions = frozenset(await self.register.many(wanted))
        return Known(records, items, positions, frozenset(await self.ledger.many(told)))

    def place(self, one: Accepted, known: Known) -> bool:
        """Whether an event is known and has its position; notes what it says, for the releases."""
        self.unsent.pop(one.event_id, None)
        record, item = known.records.get(one.event_id), known.items.get(one.content_id)
        if one.said is None or record is None or record.hash != one.hash:
            return False
        if record.refused:
            return True
        if isinstance(one.said, CaseNotice):
            return not notices.lost(places(one, known.records), known.notices)
        number = item.position_of(one.event_id) if item else 0
        key = keys.publication_key(one.content_id, number)
        if not (item and number and key in known.positions):
            return False
        if isinstance(one.said, Submitted) and number in item.released:
            self.says[key] = fingerprint(edition(one.said, item, one.event_id))
        return True

    async def lost_still(self, suspects: list[Message]) -> list[Message]:
        """A second look, a moment later."""
        if suspects:
            await asyncio.sleep(self.again_s)
        return await self.lost(suspects)

    def violation(self, message: Message) -> Violation:
        """Named as an analyst of databases does: lost at the beginning, in the middle, the end."""
        said = read_event(message)
        where = self.placed.place(message.seq)
        detail = f"{CONTENT} #{message.seq}, lost {where} ({self.placed.kept} are not)"
        key = said.event_id or f"{CONTENT}.{message.seq}"
        return Violation(rule="event-lost", key=key, detail=detail)


def read_event(message: Message) -> Accepted:
    """A message as intake reads it."""
    unit = message.subject.split(".")[1]
    try:
        event = envelope.decode(None, message.headers, message.data)
        said = stored(event)
    except (ContractError, ValidationError, KeyError):
        return Accepted(message.seq, "", "", None)
    event_id = keys.event_id(unit, event.source, event.id)
    return Accepted(message.seq, event_id, keys.content_hash(event.type, event.data), said)


def stored(event: CloudEvent) -> Submitted | Withdrawn | CaseNotice:
    """What an event says as CONTENT holds it: of a case, without the contact."""
    if event.type == events.CASE_UPDATED:
        return events.notice(event)
    return cast(Submitted | Withdrawn, events.KINDS[event.type].model_validate(event.data))


def places(one: Accepted, records: Mapping[str, EventRecord]) -> list[str]:
    """Where the ledger has to know a case event; nowhere for content."""
    record = records.get(one.event_id)
    if record is None or not isinstance(one.said, CaseNotice):
        return []
    return notices.places(one.content_id, record.revision or 0)


async def read(bucket: Bucket, names: Sequence[str], kind: type[Kind]) -> dict[str, Kind]:
    """Records by key, without those that are absent or can't be read."""
    found = await bucket.many(names)
    records = {key: parse(kind, value.data) for key, value in found.items()}
    return {key: one for key, one in records.items() if one is not None}


def parse(kind: type[Kind], data: bytes) -> Kind | None:
    """None for what this version can't read."""
    try:
        return kind.model_validate_json(data)
    except ValidationError:
        return None


def illegible(key: str) -> Violation:
    return Violation(rule="unreadable", key=key, detail="by this version")


def booked(record: EventRecord) -> float:
    return record.at.timestamp()


def has_position(item: Item | None, event_id: str) -> bool:
    return item is not None and bool(item.position_of(event_id))


def missing(state: dict[str, int], floor: int, erased: Set[int]) -> Iterator[str]:
    """What a stream's own numbers say of messages that are gone and were not *erased*."""
    first, last = state["first_seq"], state["last_seq"]
    before = sum(seq < first for seq in erased)
    if state["messages"] and first - 1 > before:
        yield f"lost at the beginning: it starts with #{first}"
    gone = state.get("num_deleted", 0) - sum(first <= seq <= last for seq in erased)
    if gone > 0:
        yield f"lost in the middle: {gone} messages"
    if last < floor:
        yield f"lost at the end: #{floor} was read, #{last} is the last"


def unpublished(event_id: str, record: EventRecord) -> Violation:
    detail = f"{record.content_id} of {record.unit}, booked {record.at:%Y-%m-%d %H:%M}"
    return Violation(rule="event-unpublished", key=event_id, detail=detail)
