"""Accept events of a registered unit: claim their identity for ever, then store them on CONTENT."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar

from contracts import events, subjects
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.base.working_days import WorkingDays, default_working_days
from contracts.cloudevent import CloudEvent
from contracts.content import Corrected, Submitted, Withdrawn
from contracts.delivery import ChannelName, Lane
from contracts.envelope import read_each
from contracts.errors import (
    Conflict,
    ContractError,
    FieldWarning,
    Forbidden,
    Invalid,
    Unavailable,
    field_error,
)
from contracts.events import CheckedEvent, check_unless_recorded
from contracts.interruptions.notice_period import check_announced
from contracts.records import EventRecord, Ownership
from contracts.vocabulary import Vocabulary
from producers import bus as nats
from producers.admission import (
    RETRY_AFTER_S,
    admit,
    expiry_times,
    send_event,
    unavailable_error,
)
from producers.bus import Bucket, Bus, BusError, Denied, GroupedReads, Value, topology
from producers.case_events import CaseEvent, CaseEventStore, check_capacity, usable_channels
from producers.units.registry import RegisteredUnit, Sender

ANSWER_TIMEOUT_S = 4.5
"""Together with the time spent on authentication, a 503 is sent within five seconds."""

FindRecord = Callable[[str], Awaitable[EventRecord | None]]
"""Finds the record of an accepted event by its id. Raises BusError."""
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """The answer to a sender; for a withdrawal, `revision` is the newest released one, if any.

    `is_known`: the event had been accepted before.
    """

    event_id: str
    content_id: str
    revision: int | None
    warnings: tuple[FieldWarning, ...] = ()
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class EventClaim:
    """An event with the stored record of its identity and of its item."""

    event: CheckedEvent
    item_value: Value | None
    record: EventRecord | None

    @property
    def owner(self) -> Ownership | None:
        return Ownership.model_validate_json(self.item_value.data) if self.item_value else None

    @property
    def revision(self) -> int | None:
        """The text's own revision; for a withdrawal, the newest released one."""
        return self.event.revision or (self.owner.revision if self.owner else 0) or None

    def to_record(self, place: "EventPlace", at: datetime) -> EventRecord:
        """The record to store under the event's id."""
        admitted = self.event
        return EventRecord(
            hash=admitted.content_hash,
            unit=admitted.unit,
            content_id=admitted.content_id,
            revision=place.revision,
            type=admitted.event.type,
            at=at,
            channel=place.channel,
        )


class ExaminedEvent(NamedTuple):
    """An event that a door would take, and the record of it if it has taken it before."""

    event: CheckedEvent
    record: EventRecord | None


class EventPlace(NamedTuple):
    """The revision of an event, and of a case event the first channel of its notice."""

    revision: int | None
    channel: ChannelName | None = None


class Acceptance:
    """Acceptance of events over HTTP: all events of a batch are checked before one is stored."""

    def __init__(
        self, bus: Bus, vocabulary: Vocabulary, clock: Clock, days: WorkingDays | None = None
    ) -> None:
        self.bus = bus
        self.vocabulary = vocabulary
        self.clock = clock
        self.days = days or default_working_days()
        self.events = bus.bucket(subjects.EVENTS.name)
        self.owners = bus.bucket(subjects.PUBLISHED.name)
        self.event_reads, self.owner_reads = GroupedReads(self.events), GroupedReads(self.owners)
        self.case_events = CaseEventStore(bus)

    async def accept(
        self,
        member: RegisteredUnit,
        events: Sequence[CloudEvent],
        *,
        batch: bool = False,
        spent_s: float = 0.0,
    ) -> list[AcceptedEvent]:
        """Accept *events*, all or none, in their order; a repeat gets the same answer.

        *spent_s* of the answer time have passed already. Raises ContractError with the errors of
        all events (in a batch as `[3].data.title`), and Unavailable without a timely
        acknowledgement; then a repeat is harmless.
        """
        async with limit_answer_time(spent_s):
            return await self._accept(member, events, batch)

    async def examine(
        self,
        member: RegisteredUnit,
        events: Sequence[CloudEvent],
        *,
        batch: bool = False,
        spent_s: float = 0.0,
    ) -> list[ExaminedEvent]:
        """Check *events* as `accept` does, and store nothing. Raises like `accept`."""
        async with limit_answer_time(spent_s):
            claims = await self._examine(member, events, batch)
        return [ExaminedEvent(claim.event, claim.record) for claim in claims]

    async def find_record(self, event_id: str) -> EventRecord | None:
        """The record of an accepted event. Raises BusError."""
        value = await self.event_reads.get(event_id, patience_s=ANSWER_TIMEOUT_S)
        return EventRecord.model_validate_json(value.data) if value else None

    async def _accept(
        self, member: RegisteredUnit, events: Sequence[CloudEvent], batch: bool
    ) -> list[AcceptedEvent]:
        with tracing.child(tracing.ACCEPT):
            claims = await self._examine(member, events, batch)
            kept = await self._claim(member, claims, batch)
        crash_point("gateway.claimed")
        for claim in claims:
            await self._store_event(claim.event)
        crash_point("gateway.stored")
        return [
            AcceptedEvent(
                claim.event.event_id,
                claim.event.content_id,
                record.revision,
                claim.event.warnings,
                claim.record is not None,
            )
            for claim, record in zip(claims, kept, strict=True)
        ]

    async def _examine(
        self, member: RegisteredUnit, events: Sequence[CloudEvent], batch: bool
    ) -> list[EventClaim]:
        """Check *events*, and read what is stored under their names. Raises ContractError."""
        check = partial(check_event, member, self.vocabulary, self.find_record)
        admitted = await map_in_turn(batch, events, check)
        check_unique_ids(admitted)
        claims = await map_all(batch, admitted, partial(self._load_claim, member))
        _check_capacity(claims, batch)
        return claims

    async def _claim(
        self, member: RegisteredUnit, claims: Sequence[EventClaim], batch: bool
    ) -> list[EventRecord]:
        """Claim the identity of each event, and the owner of its item; what is kept of each."""
        crash_point("gateway.checked")
        places = await self._assign_places(member, claims, batch)
        numbered = list(zip(claims, places, strict=True))
        return await map_all(batch, numbered, self._store_claim)

    async def _load_claim(self, member: RegisteredUnit, admitted: CheckedEvent) -> EventClaim:
        """Read the records. Raises Forbidden or Conflict if they contradict the event.

        A new event must reach its person by the unit's present policy and must not have expired; a
        repeat gets its first answer again, however late.
        """
        value, record = await asyncio.gather(
            self.owner_reads.get(admitted.content_id), self.find_record(admitted.event_id)
        )
        claim = EventClaim(admitted, value, record)
        _check_owner(admitted, claim.owner)
        check_same_content(admitted, claim.record)
        await self.case_events.check_repeat(admitted, claim.item_value)
        if claim.record is None:
            usable_channels(admitted, member.registration)
            check_not_expired(admitted, utc_now(self.clock))
            if claim.owner is None:
                check_notice_period(admitted, utc_now(self.clock), self.days)
                if isinstance(admitted.content, Corrected | Withdrawn):
                    await self._require_inbound_empty(member.unit)
        return claim

    async def _require_inbound_empty(self, unit: str) -> None:
        """Raise Unavailable while events wait that *unit* published on the bus before.

        One of them may be the first text of the item; what intake has moved to CONTENT is before
        the new event there.
        """
        stream = subjects.inbound_stream(unit).name
        try:
            if not await topology.stream_exists(self.bus, stream):
                return
            waiting = (await self.bus.stream_info(stream))["state"]["messages"]
        except Denied:  # a key from before this right; intake decides
            return
        if waiting:
            error = field_error("event", "inbound_first", retry_after_s=RETRY_AFTER_S)
            raise Unavailable(error, retry_after_s=RETRY_AFTER_S)

    async def _assign_places(
        self, member: RegisteredUnit, claims: Sequence[EventClaim], batch: bool
    ) -> list[EventPlace]:
        """The place of each event; events of one dossier are numbered one after another."""
        places: dict[int, EventPlace] = {}

        async def in_turn(indexes: Sequence[int]) -> None:
            for index in indexes:
                try:
                    places[index] = await self._assign_place(member, claims[index])
                except ContractError as wrong:
                    raise wrong.within(f"[{index}]") if batch else wrong from None

        done = await asyncio.gather(*map(in_turn, _group_by_item(claims)), return_exceptions=True)
        for result in done:
            if result is not None:
                raise result
        return [places[index] for index in range(len(claims))]

    async def _assign_place(self, member: RegisteredUnit, claim: EventClaim) -> EventPlace:
        """Number one event; a repeated case event keeps its revision and stores no contact."""
        contact = claim.event.contact
        if contact is None:
            return EventPlace(claim.revision)
        if claim.record is not None:
            return EventPlace(claim.record.revision)
        case = CaseEvent(claim.event, contact, usable_channels(claim.event, member.registration))
        now = utc_now(self.clock)
        notice = await self.case_events.assign_revision(case, claim.item_value, now)
        return EventPlace(notice.revision, notice.next_after(None))

    async def _store_claim(self, numbered: tuple[EventClaim, EventPlace]) -> EventRecord:
        """Record the event, then the owner of its item; a concurrent request may win either write.

        A withdrawal or a correction claims no item: it is about one that was submitted before.
        """
        claim, place = numbered
        record = claim.record or await self._claim_event(claim, place)
        crash_point("gateway.event_booked")
        admitted = claim.event
        if (
            claim.owner is None
            and admitted.revision
            and not isinstance(admitted.content, Corrected)
        ):
            ownership = Ownership(unit=admitted.unit).model_dump_json().encode()
            stored = await create_or_read(self.owners, admitted.content_id, ownership)
            _check_owner(admitted, Ownership.model_validate_json(stored))
        return record

    async def _claim_event(self, claim: EventClaim, place: EventPlace) -> EventRecord:
        """Record a new event. Raises Conflict if its id was just used for another content."""
        entry = claim.to_record(place, utc_now(self.clock)).model_dump_json().encode()
        stored = await create_or_read(self.events, claim.event.event_id, entry)
        record = EventRecord.model_validate_json(stored)
        check_same_content(claim.event, record)
        return record

    async def _store_event(self, admitted: CheckedEvent) -> None:
        """Store the event under its id, or under id and hash if the stream has other content there.

        The id is claimed for this content, and readers of the stream refuse the other message. An
        event with a trace of its own goes on in that one.
        """
        request = tracing.carrier()
        with (
            tracing.continued(admitted.event.extensions),
            tracing.span(tracing.STORE, _span_facts(admitted), (request,)),
        ):
            try:
                await send_event(self.bus, admitted, patience_s=ANSWER_TIMEOUT_S)
            except Conflict:
                own_id = f"{admitted.event_id}.{admitted.content_hash}"
                await send_event(self.bus, admitted, patience_s=ANSWER_TIMEOUT_S, msg_id=own_id)


def _span_facts(admitted: CheckedEvent) -> dict[str, str | int | bool]:
    return {"loa.event_id": admitted.event_id, "loa.content_id": admitted.content_id}


def _group_by_item(claims: Sequence[EventClaim]) -> list[list[int]]:
    """Indexes of the claims, grouped by item, each group in order."""
    groups: dict[str, list[int]] = {}
    for place, claim in enumerate(claims):
        groups.setdefault(claim.event.content_id, []).append(place)
    return list(groups.values())


async def check_event(
    member: Sender,
    vocabulary: Vocabulary,
    find_record: FindRecord,
    event: CloudEvent,
    accepted_types: frozenset[str] = events.HTTP_TYPES,
) -> CheckedEvent:
    """The checks that need no state but the record of a repeat. Raises ContractError."""
    check = partial(admit, event, member.unit, vocabulary, accepted_types)
    admitted = await check_unless_recorded(check, find_record)
    urgent = isinstance(admitted.content, Submitted) and admitted.content.lane == Lane.URGENT
    if urgent and not member.registration.urgent:
        raise Forbidden(field_error("data.lane", "urgent_not_allowed"))
    return admitted


def check_notice_period(admitted: CheckedEvent, now: datetime, days: WorkingDays) -> None:
    """Raise Invalid for a first text that announces an interruption late or not publicly.

    Of later texts only intake knows what readers have; one that is unlawful waits at the desk.
    """
    content = admitted.content
    if isinstance(content, Submitted) and not isinstance(content, Corrected):
        check_announced(content, now, days)


def _check_owner(admitted: CheckedEvent, owner: Ownership | None) -> None:
    if owner and owner.unit != admitted.unit:
        value, field = admitted.content_id, "case_code" if admitted.contact else "content_id"
        raise Forbidden(field_error(f"data.{field}", "owned_by_other_unit", value=value))


def check_same_content(admitted: CheckedEvent, record: EventRecord | None) -> None:
    if record and record.hash != admitted.content_hash:
        raise Conflict(field_error("id", "same_id_other_content"))


def check_not_expired(admitted: CheckedEvent, now: datetime) -> None:
    """Raise Invalid for an item that has expired."""
    if times := expiry_times(admitted.content, now):
        raise Invalid(field_error("data.expires_at", "over_already", **times))


def check_unique_ids(admitted: Sequence[CheckedEvent]) -> None:
    """Raise Conflict if one id has two contents or two contacts within the batch."""
    first_by_id: dict[str, CheckedEvent] = {}
    for number, event in enumerate(admitted):
        first = first_by_id.setdefault(event.event_id, event)
        if first.content_hash != event.content_hash:
            raise Conflict(field_error("id", "same_id_other_content")).within(f"[{number}]")
        if first.contact != event.contact:
            raise Conflict(field_error("data.contact", "other_contact")).within(f"[{number}]")


def _check_capacity(claims: Sequence[EventClaim], batch: bool) -> None:
    """Raise Invalid, before any write, for more events than a dossier can hold."""
    for places in _group_by_item(claims):
        last = claims[places[-1]]
        if last.event.contact is None:
            continue
        try:
            check_capacity(last.item_value, [claims[place].event for place in places])
        except ContractError as wrong:
            raise wrong.within(f"[{places[-1]}]") if batch else wrong from None


async def create_or_read(bucket: Bucket, key: str, data: bytes) -> bytes:
    """Create *key* with *data*; return the value that is stored, which may be an earlier one."""
    try:
        await bucket.create(key, data)
    except nats.RevisionConflict:
        value = await bucket.get(key)
        if value is None:
            raise
        return value.data
    return data


@asynccontextmanager
async def limit_answer_time(spent_s: float) -> AsyncIterator[None]:
    """Limit the time of an answer, of which *spent_s* have passed already.

    Raises Unavailable when the time is over, or the bus fails: then a repeat is harmless.
    """
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S - spent_s):
            yield
    except (TimeoutError, BusError) as error:
        raise unavailable_error() from error


async def map_all(
    batch: bool, items: Sequence[Item], step: Callable[[Item], Awaitable[Result]]
) -> list[Result]:
    """The results of *step* for all items; the errors of a batch become one error."""
    if not batch:
        return [await step(item) for item in items]
    answers = await asyncio.gather(*map(step, items), return_exceptions=True)
    return read_each(answers, _raise_if_error)


async def map_in_turn(
    batch: bool, items: Sequence[Item], check: Callable[[Item], Awaitable[Result]]
) -> list[Result]:
    """Like `map_all`, for a *check* of much work: other requests have their turn after each."""
    if not batch:
        return [await check(item) for item in items]
    answers: list[Result | BaseException] = []
    for item in items:
        try:
            answers.append(await check(item))
        except ContractError as error:
            answers.append(error)
        await asyncio.sleep(0)
    return read_each(answers, _raise_if_error)


def _raise_if_error(answer: Result | BaseException) -> Result:
    if isinstance(answer, BaseException):
        raise answer
    return answer
