"""Rules of events: every accepted one has a position or a dead letter.

Intake settles a message only after all consequences are stored. So every message up to its floor
must have left its mark; a later one is on its way, and judged by its age alone.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError

from consumers.check import case_notices
from consumers.check.context import (
    CheckContext,
    CheckTime,
    ConsumerProgress,
    ConsumerState,
    read_records,
)
from consumers.check.findings import STUCK_S, Violation, unreadable
from consumers.check.publications import text_fingerprint
from consumers.dead_letters.letter import MessageOrigin
from consumers.intake.items import Item
from consumers.intake.release import build_publication
from consumers.ledger.backoff import GIVE_UP_S
from consumers.progress import report_progress
from contracts import envelope, events, keys, subjects
from contracts.case import CaseNotice
from contracts.catalog import count_of
from contracts.content import Submitted
from contracts.errors import ContractError
from contracts.records import EventRecord
from contracts.text.moments import format_for_people
from producers.bus import Message
from producers.bus.messages import chunked
from producers.bus.records import parse

_CHUNK_MESSAGES = 250
CONTENT = subjects.CONTENT.name
_PERMANENT_STREAMS = (subjects.CONTENT, subjects.PUBLICATIONS, subjects.DEAD)
"""Streams that lose no message."""


class DeadLetterOrigin(BaseModel):
    """The part of a dead letter that names its message."""

    origin: MessageOrigin
    erased: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """One message of CONTENT. `content` is None if it is no event."""

    seq: int
    event_id: str
    hash: str
    content: events.Event | CaseNotice | None

    @property
    def content_id(self) -> str:
        return self.content.content_id if self.content else ""


@dataclass(frozen=True, slots=True)
class StoredMarks:
    """The records of some messages in the buckets."""

    records: dict[str, EventRecord]
    items: dict[str, Item]
    positions: frozenset[str]
    case_notices: frozenset[str]


@dataclass
class SequenceRange:
    """The sequence of all accepted events, to locate the lost ones in."""

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
    """CONTENT against the buckets `events` and `publications`.

    `fingerprints`: the text of each accepted event, by publication key.
    """

    context: CheckContext
    fingerprints: dict[str, bytes] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.bus = self.context.bus
        self.records = self.bus.bucket(subjects.EVENTS.name)
        self.positions = self.bus.bucket(subjects.PUBLISHED.name)
        self.ledger = self.bus.bucket(subjects.LEDGER.name)
        self.dead_letters: set[int] = set()
        self.erased: set[int] = set()
        self.unpublished: dict[str, EventRecord] = {}
        self.sequence_range = SequenceRange()

    async def violations(self) -> list[Violation]:
        at = self.context.time()
        intake = await ConsumerProgress(self.bus).consumer(CONTENT, subjects.INTAKE)
        infos = [await self.bus.stream_info(stream.name) for stream in _PERMANENT_STREAMS]
        states = [info["state"] for info in infos]
        violations = await self.read_dead() + await self.read_unsent(at)
        suspects: list[Message] = []
        async for chunk in chunked(self.bus.scan(CONTENT), _CHUNK_MESSAGES):
            violations += self.stuck_events(chunk, intake, at)
            lost = await self.lost_messages(chunk)
            suspects += [message for message in lost if message.seq <= intake.ack_floor]
            self.count += len(chunk)
            self.erased.difference_update(message.seq for message in chunk)
            report_progress("events", self.count)
        if suspects:
            await asyncio.sleep(self.context.recheck_after_s)
            lost = await self.lost_messages(suspects)
            violations += [self.lost_violation(message) for message in lost]
        violations += self.gaps(states, intake)
        for event_id, record in self.unpublished.items():
            booked = format_for_people(record.at)
            detail = f"{record.content_id} of {record.unit}, booked {booked}"
            violations.append(Violation(rule="event-unpublished", key=event_id, detail=detail))
        return violations

    def gaps(self, states: Sequence[dict[str, int]], intake: ConsumerState) -> Iterator[Violation]:
        """Yield messages that are gone from a stream without a dead letter."""
        for stream, state in zip(_PERMANENT_STREAMS, states, strict=True):
            is_content = stream is subjects.CONTENT
            floor, erased = (intake.ack_floor, self.erased) if is_content else (0, set[int]())
            for detail in _missing_messages(state, floor, erased):
                yield Violation(rule="stream-gap", key=stream.name, detail=detail)

    async def read_dead(self) -> list[Violation]:
        """Note which messages died; return the unreadable letters."""
        violations = []
        async for message in self.bus.scan(subjects.DEAD.name):
            letter = parse(DeadLetterOrigin, message.data)
            if letter is None:
                violations.append(unreadable(f"{subjects.DEAD.name}.{message.seq}"))
            elif letter.origin.stream == CONTENT:
                self.dead_letters.add(letter.origin.seq)
                if letter.erased:
                    self.erased.add(letter.origin.seq)
        return violations

    async def read_unsent(self, at: CheckTime) -> list[Violation]:
        """Note events that were accepted and have no position; return the unreadable records."""
        violations, late = [], dict[str, EventRecord]()
        async for event_id, value in self.records.values():
            record = parse(EventRecord, value.data)
            if record is None:
                violations.append(unreadable(f"event.{event_id}"))
            elif not record.refused:
                accepted_at = record.at.timestamp()
                if accepted_at > at.now - GIVE_UP_S and at.is_overdue(accepted_at, STUCK_S):
                    late[event_id] = record
        names = list({record.content_id for record in late.values()})
        items = await read_records(self.positions, names, Item)
        for event_id, record in late.items():
            item = items.get(record.content_id)
            if item is None or not item.position_of(event_id):
                self.unpublished[event_id] = record
        return violations

    def stuck_events(
        self, chunk: Sequence[Message], intake: ConsumerState, at: CheckTime
    ) -> Iterator[Violation]:
        """Yield messages that are tried again and again."""
        for message in chunk if intake.is_stuck(at) else ():
            is_old = at.is_overdue(message.time.timestamp(), STUCK_S)
            if message.seq > intake.ack_floor and is_old:
                key = f"{CONTENT}.{message.seq}"
                yield Violation(rule="event-stuck", key=key, detail="tried in vain for long")

    async def lost_messages(self, chunk: Sequence[Message]) -> list[Message]:
        """Return the messages that left no mark."""
        events = [_read_event(message) for message in chunk]
        marks = await self.load_marks(events)
        kept = {event.seq for event in events if self.has_consequence(event, marks)}
        kept |= self.dead_letters
        for message in chunk:
            if message.seq in kept:
                self.sequence_range.add(message.seq)
        return [message for message in chunk if message.seq not in kept]

    async def load_marks(self, accepted: Sequence[AcceptedEvent]) -> StoredMarks:
        names = [event.event_id for event in accepted if event.content]
        content_ids = list({event.content_id for event in accepted if event.content})
        records, items = await asyncio.gather(
            read_records(self.records, names, EventRecord),
            read_records(self.positions, content_ids, Item),
        )
        publications = [
            keys.publication_key(one.content_id, items[one.content_id].position_of(one.event_id))
            for one in accepted
            if one.content_id in items
        ]
        notices = [key for event in accepted for key in _notice_keys(event, records)]
        positions = frozenset(await self.positions.get_many(publications))
        states = frozenset(await self.ledger.get_many(notices))
        return StoredMarks(records, items, positions, states)

    def has_consequence(self, event: AcceptedEvent, marks: StoredMarks) -> bool:
        """Whether an event is known and has its position; notes its text, for the releases."""
        self.unpublished.pop(event.event_id, None)
        record, item = marks.records.get(event.event_id), marks.items.get(event.content_id)
        if event.content is None or record is None or record.hash != event.hash:
            return False
        if record.refused:
            return True
        if isinstance(event.content, CaseNotice):
            was_kept = not marks.case_notices.isdisjoint(_notice_keys(event, marks.records))
            return was_kept or self.context.may_be_removed(record.at)
        number = item.position_of(event.event_id) if item else 0
        key = keys.publication_key(event.content_id, number)
        if not (item and number and key in marks.positions):
            return False
        if isinstance(event.content, Submitted) and number in item.released:
            text = build_publication(event.content, item, event.event_id)
            self.fingerprints[key] = text_fingerprint(text)
        return True

    def lost_violation(self, message: Message) -> Violation:
        """The violation of a lost message, with its place among the others."""
        where = self.sequence_range.locate(message.seq)
        detail = f"{CONTENT} #{message.seq}, lost {where} ({self.sequence_range.kept} are not)"
        key = _read_event(message).event_id or f"{CONTENT}.{message.seq}"
        return Violation(rule="event-lost", key=key, detail=detail)


def _read_event(message: Message) -> AcceptedEvent:
    """Read a message as intake does."""
    unit = message.subject.split(".")[1]
    try:
        event = envelope.decode(None, message.headers, message.data)
        content: events.Event | CaseNotice
        if event.type == events.CASE_UPDATED:
            content = events.parse_case_notice(event)
        else:
            content = events.KINDS[event.type].model_validate(event.data)
    except (ContractError, ValidationError, KeyError):
        return AcceptedEvent(message.seq, "", "", None)
    event_id = keys.event_id(unit, event.source, event.id)
    return AcceptedEvent(message.seq, event_id, keys.content_hash(event.type, event.data), content)


def _notice_keys(event: AcceptedEvent, records: Mapping[str, EventRecord]) -> list[str]:
    """The ledger keys of a case event; none for content."""
    record = records.get(event.event_id)
    if record is None or not isinstance(event.content, CaseNotice):
        return []
    return case_notices.ledger_keys(event.content_id, record.revision or 0)


def _missing_messages(state: dict[str, int], floor: int, erased: Set[int]) -> Iterator[str]:
    """Describe messages that, by a stream's own numbers, are gone and were not *erased*."""
    first, last = state["first_seq"], state["last_seq"]
    before = sum(seq < first for seq in erased)
    if state["messages"] and first - 1 > before:
        yield f"lost at the beginning: it starts with #{first}"
    gone = state.get("num_deleted", 0) - sum(first <= seq <= last for seq in erased)
    if gone > 0:
        yield f"lost in the middle: {count_of(gone, 'message')}"
    if last < floor:
        yield f"lost at the end: #{floor} was read, #{last} is the last"
