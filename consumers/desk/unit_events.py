"""The newest events of a unit with what became of each, read from the end of CONTENT."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypeVar, cast

from pydantic import BaseModel

from consumers.dead_letters.index import DeadLetterIndex
from consumers.dead_letters.letter import DeadLetter, DeadLetterQuery
from consumers.intake.items import SUPERSEDED_CODE, Item, Position
from consumers.messages import field_error
from consumers.reporting.trace import TraceReader
from contracts import envelope, keys, subjects
from contracts.base.fields import ID_PATTERN
from contracts.base.times import Clock, utc_now
from contracts.cloudevent import CloudEvent
from contracts.desk.shown.unit_events import UnitEvent, UnitEventPage, UnitUse
from contracts.errors import WHOLE_EVENT, ContractError, FieldError, limit_errors, localized
from contracts.events import KindName
from contracts.records import EventRecord
from contracts.text.moments import VIETNAM
from contracts.vocabulary import REJECTIONS
from producers.bus import Bus, Message
from producers.bus.records import parse

_MOST_EVENTS = 50
_SHOWN = timedelta(days=30)
_MOST_ERRORS = 5
_MOST_PASSED = 200_000
"""Messages of other units that one page passes over at most."""
_CONTENT = subjects.CONTENT.name
_Record = TypeVar("_Record", bound=BaseModel)


class _Sent(NamedTuple):
    """A stored message of a unit; without event and id if it can't be read."""

    message: Message
    event: CloudEvent | None = None
    event_id: str = ""

    @property
    def kind(self) -> KindName:
        """The last word of the subject, which the event's type has to fit."""
        return cast(KindName, self.message.subject.rpartition(".")[2])

    @property
    def named_item(self) -> str:
        """The item that the event names itself; empty for none."""
        named = self.event.data.get("content_id") if self.event else None
        return named if isinstance(named, str) and re.fullmatch(ID_PATTERN, named) else ""


@dataclass
class _Records:
    """Records about some events by their keys, and dead letters by event id and message."""

    events: Mapping[str, EventRecord] = field(default_factory=dict)
    items: Mapping[str, Item] = field(default_factory=dict)
    positions: Mapping[str, Position] = field(default_factory=dict)
    letters: Mapping[str | int, DeadLetter] = field(default_factory=dict)

    def letter_of(self, sent: _Sent) -> DeadLetter | None:
        return self.letters.get(sent.event_id) or self.letters.get(sent.message.seq)

    def revision_of(self, event_id: str) -> int | None:
        """The text's own revision; of a withdrawal, the one that it took."""
        record = self.events[event_id]
        if record.revision:
            return record.revision
        item = self.items.get(record.content_id)
        return (item.position_of(event_id) or None) if item else None


@dataclass(frozen=True)
class UnitEvents:
    """The service behind a unit's page, and behind the list at the door.

    *letters*: the dead letters, as the desk has them; the door does without.
    """

    bus: Bus
    letters: DeadLetterIndex | None
    clock: Clock

    async def recent(self, unit: str, before: int = 0) -> UnitEventPage:
        page = await self.page(unit, before, _MOST_EVENTS)
        found = [*page.events]
        while page.next_before and len(found) < _MOST_EVENTS:
            page = await self.page(unit, page.next_before, _MOST_EVENTS - len(found))
            found += page.events
        return UnitEventPage(found, page.next_before)

    async def page(self, unit: str, before: int, limit: int) -> UnitEventPage:
        """A page of the last 30 days; a long way without an event of the unit ends it early."""
        (messages, following), letters = await asyncio.gather(
            self._newest(unit, before, limit), self._letters(unit)
        )
        sent = [_read(unit, message) for message in messages]
        known = await self._records([one.event_id for one in sent if one.event_id])
        known.letters = _by_event_and_message(letters)
        reader = TraceReader(self.bus, self.clock)
        return UnitEventPage([_shown(one, known, reader) for one in sent], following)

    async def _letters(self, unit: str) -> Sequence[DeadLetter]:
        query = DeadLetterQuery(unit=unit, ended=True)
        return await self.letters.find(query) if self.letters else ()

    async def days(self, unit: str) -> Mapping[date, int]:
        midnight = _midnight(utc_now(self.clock))
        starts = [midnight - timedelta(days=number) for number in range(_SHOWN.days)]
        since = await asyncio.gather(*(self._count(unit, start) for start in starts))
        counts = [count - later for count, later in zip(since, (0, *since), strict=False)]
        return {start.date(): count for start, count in zip(starts, counts, strict=True)}

    async def use(self, unit: str) -> UnitUse:
        now = utc_now(self.clock)
        minute, today = await asyncio.gather(
            self._count(unit, now - timedelta(minutes=1)), self._count(unit, _midnight(now))
        )
        return UnitUse(minute, today)

    async def _count(self, unit: str, since: datetime) -> int:
        return sum((await self._counts(unit, since)).values())

    async def _counts(self, unit: str, since: datetime) -> Mapping[str, int]:
        """The number of messages since then on each of the unit's subjects."""
        wanted = _subjects(unit)
        counts = (self.bus.count_since(_CONTENT, one, since) for one in wanted)
        return dict(zip(wanted, await asyncio.gather(*counts), strict=True))

    async def _newest(self, unit: str, before: int, most: int) -> tuple[list[Message], int]:
        """The last messages of a unit before a sequence, newest first, and where older ones go on.

        0 for no limit, and for no older ones.
        """
        since = utc_now(self.clock) - _SHOWN
        first, info = await asyncio.gather(
            self.bus.first_seq_since(_CONTENT, since), self.bus.stream_info(_CONTENT)
        )
        if first is None:
            return [], 0
        high = min(info["state"]["last_seq"], before - 1) if before else info["state"]["last_seq"]
        low, counts = max(first, high - _MOST_PASSED), await self._counts(unit, since)
        parts = (
            self._last_on(subject, (low, high), min(most, count))
            for subject, count in counts.items()
            if count  # a unit without an event of a kind would be looked for to the end
        )
        found = [message for part in await asyncio.gather(*parts) for message in part]
        newest = sorted(found, key=lambda one: one.seq, reverse=True)[:most]
        rest = newest[-1].seq if len(newest) == most else low
        is_last = rest <= first or len(newest) == sum(counts.values())
        return newest, 0 if is_last else rest

    async def _last_on(self, subject: str, span: tuple[int, int], most: int) -> list[Message]:
        found: list[Message] = []
        async for message in self.bus.scan_backwards(_CONTENT, span[1], subject, span[0]):
            found.append(message)
            if len(found) == most:
                break
        return found

    async def _records(self, event_ids: Sequence[str]) -> _Records:
        """The records of events, of their items and of their positions."""
        known = _Records()
        known.events = await self._read_many(subjects.EVENTS.name, event_ids, EventRecord)
        names = {one.content_id for one in known.events.values()}
        known.items = await self._read_many(subjects.PUBLISHED.name, names, Item)
        positions = {
            keys.publication_key(record.content_id, revision)
            for event_id, record in known.events.items()
            if (revision := known.revision_of(event_id))
        }
        known.positions = await self._read_many(subjects.PUBLISHED.name, positions, Position)
        return known

    async def _read_many(
        self, bucket: str, wanted: Iterable[str], kind: type[_Record]
    ) -> Mapping[str, _Record]:
        found = await self.bus.bucket(bucket).get_many(sorted(set(wanted)))
        records = {key: parse(kind, value.data) for key, value in found.items()}
        return {key: record for key, record in records.items() if record}


def _midnight(now: datetime) -> datetime:
    """The beginning of the day in Vietnam."""
    return now.astimezone(VIETNAM).replace(hour=0, minute=0, second=0, microsecond=0)


def _subjects(unit: str) -> tuple[str, str]:
    return subjects.content(unit, "*"), subjects.case(unit)


def _read(unit: str, message: Message) -> _Sent:
    try:
        event = envelope.decode(None, message.headers, message.data)
    except ContractError:
        return _Sent(message)
    return _Sent(message, event, keys.event_id(unit, event.source, event.id))


def _by_event_and_message(letters: Iterable[DeadLetter]) -> Mapping[str | int, DeadLetter]:
    """Letters by event id and by the sequence of their message; the newest one counts."""
    found: dict[str | int, DeadLetter] = {}
    for letter in letters:
        if letter.about.event_id:
            found.setdefault(letter.about.event_id, letter)
        if letter.origin.stream == _CONTENT:
            found.setdefault(letter.origin.seq, letter)
    return found


def _shown(sent: _Sent, known: _Records, reader: TraceReader) -> UnitEvent:
    record, letter = known.events.get(sent.event_id), known.letter_of(sent)
    refused = record.refused if record else letter.errors if letter else ()
    shown = UnitEvent(
        at=sent.message.time,
        kind=sent.kind,
        event_id=sent.event_id,
        content_id=sent.named_item,
        revision=None,
        state="refused" if refused else "received",
        errors=limit_errors(refused, _MOST_ERRORS),
        letter=letter.id if letter and refused else 0,
        place=sent.message.seq,
    )
    if record is None:
        return shown
    revision = known.revision_of(sent.event_id)
    shown = shown._replace(content_id=record.content_id, revision=revision)
    if refused:
        return shown
    item = known.items.get(record.content_id, Item(unit=record.unit))
    position = known.positions.get(keys.publication_key(record.content_id, revision or 0))
    state = reader.item_state(item, position)
    return shown._replace(state=state, errors=_desk_errors(position))


def _desk_errors(position: Position | None) -> Sequence[FieldError]:
    """Why the desk did not let a text out, or which other text took its place."""
    if position is None or position.state != "refused":
        return ()
    if position.code == SUPERSEDED_CODE:
        return (field_error("data.revision", "superseded"),)
    meaning = REJECTIONS.get(position.code)
    return (localized(WHOLE_EVENT, meaning),) if meaning else ()
