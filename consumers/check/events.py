"""Rules of events: every accepted one has a position or a dead letter.

Intake settles a message only after everything that follows from it is stored. So all up to its
floor must have left its mark; what lies above is on its way, and judged by its age alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeVar, cast

from pydantic import BaseModel, ValidationError

from consumers.check import case_notices
from consumers.check.batches import CheckTime
from consumers.check.consumer_progress import ConsumerProgress, ConsumerState
from consumers.check.findings import STUCK_S, ReportProgress, Violation, no_progress
from consumers.check.publications import message_chunks, text_fingerprint
from consumers.dead_letters import MessageOrigin
from consumers.intake.items import Item
from consumers.intake.release import build_publication
from consumers.ledger.backoff import GIVE_UP_S
from contracts import envelope, events, keys, subjects
from contracts.case import CaseNotice
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted, Withdrawn
from contracts.errors import ContractError
from contracts.records import EventRecord
from producers.bus import Bucket, Bus, Message

Kind = TypeVar("Kind", bound=BaseModel)
CHUNK_MESSAGES = 250
CONTENT = subjects.CONTENT.name
PERMANENT_STREAMS = (subjects.CONTENT, subjects.PUBLICATIONS, subjects.DEAD)
"""Streams from which nothing ever goes."""


class DeadLetterOrigin(BaseModel):
    """A dead letter, as far as it says whose it is."""

    origin: MessageOrigin
    erased: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """One message of CONTENT. `said` is None for what is no event."""

    seq: int
    event_id: str
    hash: str
    content: Submitted | Withdrawn | CaseNotice | None

    @property
    def content_id(self) -> str:
        return self.content.content_id if self.content else ""


@dataclass(frozen=True, slots=True)
class StoredMarks:
    """What the buckets say of some messages."""

    records: dict[str, EventRecord]
    items: dict[str, Item]
    positions: frozenset[str]
    case_notices: frozenset[str]


@dataclass
class SequenceRange:
    """Where in the sequence of all accepted events the lost ones lie."""

    kept: int = 0
    first: int = 0
    last: int = 0

    def add(self, seq: int) -> None:
        self.kept += 1
        self.first = self.first or seq
        self.last = seq

    def locate(self, seq: int) -> str:
        if not self.kept or seq < self.first:
            return "at the beginning"
        return "at the end" if seq > self.last else "in the middle"


@dataclass
class EventRules:
    """CONTENT against the buckets `events` and `publications`; fills `says` for the releases."""

    bus: Bus
    clock: Callable[[], float]
    running_since: float = 0.0
    recheck_after_s: float = 0.0
    report_progress: ReportProgress = no_progress
    fingerprints: dict[str, bytes] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.records = self.bus.bucket(subjects.EVENTS.name)
        self.positions = self.bus.bucket(subjects.PUBLISHED.name)
        self.ledger = self.bus.bucket(subjects.LEDGER.name)
        self.dead_letters: set[int] = set()
        self.erased: set[int] = set()
        self.unpublished: dict[str, EventRecord] = {}
        self.sequence_range = SequenceRange()

    async def violations(self) -> list[Violation]:
        at = CheckTime(self.clock(), self.running_since)
        intake = await ConsumerProgress(self.bus).intake()
        states = [(await self.bus.stream_info(one.name))["state"] for one in PERMANENT_STREAMS]
        found = [one async for one in self.read_dead()]
        found += [one async for one in self.read_unsent(at)]
        suspects: list[Message] = []
        async for chunk in message_chunks(self.bus, CONTENT, CHUNK_MESSAGES):
            found += self.stuck_events(chunk, intake, at)
            suspects += [
                one for one in await self.lost_messages(chunk) if one.seq <= intake.ack_floor
            ]
            self.count += len(chunk)
            self.erased.difference_update(one.seq for one in chunk)
            self.report_progress("events", self.count)
        found += [self.lost_violation(one) for one in await self.recheck_lost(suspects)]
        found += self.gaps(states, intake)
        return found + [unpublished(id, one) for id, one in self.unpublished.items()]

    def gaps(self, states: Sequence[dict[str, int]], intake: ConsumerState) -> Iterator[Violation]:
        """Messages that once were there and are not any more, though no letter says why."""
        for stream, state in zip(PERMANENT_STREAMS, states, strict=True):
            content = stream is subjects.CONTENT
            erased = self.erased if content else set()
            for detail in missing_messages(state, intake.ack_floor if content else 0, erased):
                yield Violation(rule="stream-gap", key=stream.name, detail=detail)

    async def read_dead(self) -> AsyncIterator[Violation]:
        """Which messages died. Yields those letters that can't be read."""
        async for message in self.bus.scan(subjects.DEAD.name):
            letter = parse(DeadLetterOrigin, message.data)
            if letter is None:
                yield unreadable_record(f"{subjects.DEAD.name}.{message.seq}")
            elif letter.origin.stream == CONTENT:
                self.dead_letters.add(letter.origin.seq)
                self.erased |= {letter.origin.seq} if letter.erased else set()

    async def read_unsent(self, at: CheckTime) -> AsyncIterator[Violation]:
        """Events that were booked and have no position; those with a message are struck off."""
        fresh: dict[str, EventRecord] = {}
        async for event_id, value in self.records.values():
            record = parse(EventRecord, value.data)
            if record is None:
                yield unreadable_record(f"event.{event_id}")
            elif not record.refused and at.is_overdue(booked_at(record), STUCK_S):
                fresh |= {event_id: record} if booked_at(record) > at.now - GIVE_UP_S else {}
        names = list({one.content_id for one in fresh.values()})
        items = await read_records(self.positions, names, Item)
        self.unpublished = {
            event_id: record
            for event_id, record in fresh.items()
            if not has_position(items.get(record.content_id), event_id)
        }

    def stuck_events(
        self, chunk: Sequence[Message], intake: ConsumerState, at: CheckTime
    ) -> Iterator[Violation]:
        """Tried again and again, and neither taken in nor buried."""
        if not intake.is_stuck(at):
            return
        for one in chunk:
            if one.seq > intake.ack_floor and at.is_overdue(one.time.timestamp(), STUCK_S):
                key = f"{CONTENT}.{one.seq}"
                yield Violation(rule="event-stuck", key=key, detail="tried in vain for long")

    async def lost_messages(self, chunk: Sequence[Message]) -> list[Message]:
        """Those that left no mark."""
        accepted = [read_event(one) for one in chunk]
        known = await self.load_marks(accepted)
        placed = {
            one.seq for one in accepted if self.has_consequence(one, known)
        } | self.dead_letters
        for one in chunk:
            if one.seq in placed:
                self.sequence_range.add(one.seq)
        return [one for one in chunk if one.seq not in placed]

    async def load_marks(self, accepted: Sequence[AcceptedEvent]) -> StoredMarks:
        names = [one.event_id for one in accepted if one.content]
        content_ids = list({one.content_id for one in accepted if one.content})
        records, items = await asyncio.gather(
            read_records(self.records, names, EventRecord),
            read_records(self.positions, content_ids, Item),
        )
        wanted = [
            keys.publication_key(one.content_id, items[one.content_id].position_of(one.event_id))
            for one in accepted
            if one.content_id in items
        ]
        told = [key for one in accepted for key in notice_keys(one, records)]
        positions = frozenset(await self.positions.get_many(wanted))
        return StoredMarks(records, items, positions, frozenset(await self.ledger.get_many(told)))

    def has_consequence(self, one: AcceptedEvent, known: StoredMarks) -> bool:
        """Whether an event is known and has its position; notes what it says, for the releases."""
        self.unpublished.pop(one.event_id, None)
        record, item = known.records.get(one.event_id), known.items.get(one.content_id)
        if one.content is None or record is None or record.hash != one.hash:
            return False
        if record.refused:
            return True
        if isinstance(one.content, CaseNotice):
            return not case_notices.is_lost(notice_keys(one, known.records), known.case_notices)
        number = item.position_of(one.event_id) if item else 0
        key = keys.publication_key(one.content_id, number)
        if not (item and number and key in known.positions):
            return False
        if isinstance(one.content, Submitted) and number in item.released:
            self.fingerprints[key] = text_fingerprint(
                build_publication(one.content, item, one.event_id)
            )
        return True

    async def recheck_lost(self, suspects: list[Message]) -> list[Message]:
        """A second look, a moment later."""
        if suspects:
            await asyncio.sleep(self.recheck_after_s)
        return await self.lost_messages(suspects)

    def lost_violation(self, message: Message) -> Violation:
        """Named as an analyst of databases does: lost at the beginning, in the middle, the end."""
        said = read_event(message)
        where = self.sequence_range.locate(message.seq)
        detail = f"{CONTENT} #{message.seq}, lost {where} ({self.sequence_range.kept} are not)"
        key = said.event_id or f"{CONTENT}.{message.seq}"
        return Violation(rule="event-lost", key=key, detail=detail)


def read_event(message: Message) -> AcceptedEvent:
    """A message as intake reads it."""
    unit = message.subject.split(".")[1]
    try:
        event = envelope.decode(None, message.headers, message.data)
        said = stored_content(event)
    except (ContractError, ValidationError, KeyError):
        return AcceptedEvent(message.seq, "", "", None)
    event_id = keys.event_id(unit, event.source, event.id)
    return AcceptedEvent(message.seq, event_id, keys.content_hash(event.type, event.data), said)


def stored_content(event: CloudEvent) -> Submitted | Withdrawn | CaseNotice:
    """What an event says as CONTENT holds it: of a case, without the contact."""
    if event.type == events.CASE_UPDATED:
        return events.parse_case_notice(event)
    return cast(Submitted | Withdrawn, events.KINDS[event.type].model_validate(event.data))


def notice_keys(one: AcceptedEvent, records: Mapping[str, EventRecord]) -> list[str]:
    """Where the ledger has to know a case event; nowhere for content."""
    record = records.get(one.event_id)
    if record is None or not isinstance(one.content, CaseNotice):
        return []
    return case_notices.ledger_keys(one.content_id, record.revision or 0)


async def read_records(bucket: Bucket, names: Sequence[str], kind: type[Kind]) -> dict[str, Kind]:
    """Records by key, without those that are absent or can't be read."""
    found = await bucket.get_many(names)
    records = {key: parse(kind, value.data) for key, value in found.items()}
    return {key: one for key, one in records.items() if one is not None}


def parse(kind: type[Kind], data: bytes) -> Kind | None:
    """None for what this version can't read."""
    try:
        return kind.model_validate_json(data)
    except ValidationError:
        return None


def unreadable_record(key: str) -> Violation:
    return Violation(rule="unreadable", key=key, detail="by this version")


def booked_at(record: EventRecord) -> float:
    return record.at.timestamp()


def has_position(item: Item | None, event_id: str) -> bool:
    return item is not None and bool(item.position_of(event_id))


def missing_messages(state: dict[str, int], floor: int, erased: Set[int]) -> Iterator[str]:
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
