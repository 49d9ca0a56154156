"""Taking events of a registered unit: claim their identity for ever, then store them on CONTENT."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from contracts import events, subjects
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted
from contracts.crash import crash_point
from contracts.delivery import Lane
from contracts.envelope import each
from contracts.errors import Conflict, ContractError, Forbidden, Invalid, Unavailable, fault
from contracts.records import EventRecord, Ownership
from contracts.vocabulary import Vocabulary
from producers import bus as nats
from producers.admission import Admitted, admit, over
from producers.bus import Bucket, Bus, BusError, Value
from producers.cases import Case, Cases, room, routes
from producers.registry import Clock, Member
from producers.sending import send

ANSWER_S = 4.5
"""With whatever the look at the key has taken: so a 503 is said within five seconds."""
RETRY_AFTER_S = 5

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a sender; a withdrawal has the revision it met, or None if none was known."""

    event_id: str
    content_id: str
    revision: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """An event together with what the bus already knows of it and of its item."""

    admitted: Admitted
    known: Value | None
    record: EventRecord | None

    @property
    def owner(self) -> Ownership | None:
        return Ownership.model_validate_json(self.known.data) if self.known else None

    @property
    def revision(self) -> int | None:
        """The text's own; a withdrawal meets the newest one."""
        return self.admitted.revision or (self.owner.revision if self.owner else 0) or None

    def entry(self, revision: int | None, at: datetime) -> EventRecord:
        """What will be remembered of the event."""
        admitted = self.admitted
        return EventRecord(
            hash=admitted.content_hash,
            unit=admitted.unit,
            content_id=admitted.content_id,
            revision=revision,
            type=admitted.event.type,
            at=at,
        )


class Acceptance:
    """The way in for HTTP. Everything is checked before the first event of a batch is stored."""

    def __init__(self, bus: Bus, vocabulary: Vocabulary, clock: Clock) -> None:
        self.bus = bus
        self.vocabulary = vocabulary
        self.clock = clock
        self.events = bus.bucket(subjects.EVENTS.name)
        self.owners = bus.bucket(subjects.PUBLISHED.name)
        self.cases = Cases(bus)

    async def accept(
        self,
        member: Member,
        events: Sequence[CloudEvent],
        *,
        batch: bool = False,
        spent_s: float = 0.0,
    ) -> list[Accepted]:
        """Take *events*, all or none, in their order; a repeat gets the same answer.

        *spent_s* of the time for an answer are gone already. Raises ContractError with the faults
        of all events (in a batch as `[3].data.title`), and Unavailable when the stream does not
        acknowledge in time; then a repeat is harmless.
        """
        try:
            async with asyncio.timeout(ANSWER_S - spent_s):
                return await self._accept(member, events, batch)
        except (TimeoutError, BusError) as error:
            raise unavailable() from error

    async def record(self, event_id: str) -> EventRecord | None:
        """What is known of an accepted event. Raises BusError."""
        value = await self.events.get(event_id, patience_s=ANSWER_S)
        return EventRecord.model_validate_json(value.data) if value else None

    async def _accept(
        self, member: Member, events: Sequence[CloudEvent], batch: bool
    ) -> list[Accepted]:
        admitted = await _every(batch, events, partial(self._admit, member))
        _one_meaning_per_id(admitted)
        claims = await _every(batch, admitted, partial(self._look, member))
        _room(claims, batch)
        crash_point("gateway.checked")
        revisions = await self._numbers(member, claims, batch)
        records = await _every(batch, list(zip(claims, revisions, strict=True)), self._claim)
        crash_point("gateway.claimed")
        for one in admitted:
            await self._store(one)
        crash_point("gateway.stored")
        return [_answer(*pair) for pair in zip(admitted, records, strict=True)]

    async def _admit(self, member: Member, event: CloudEvent) -> Admitted:
        admitted = admit(event, member.unit, self.vocabulary, events.HTTP_DOOR)
        said, registration = admitted.said, member.registration
        if isinstance(said, Submitted) and said.lane == Lane.URGENT and not registration.urgent:
            raise Forbidden(fault("data.lane", "urgent_not_allowed"))
        return admitted

    async def _look(self, member: Member, admitted: Admitted) -> Claim:
        """Read what is known. Raises Forbidden or Conflict where that stands against the event.

        An event that is new has to reach its person by what the unit's policy says today, and must
        not be over; a repeat gets the answer of the first time, however late it comes.
        """
        value, record = await asyncio.gather(
            self.owners.get(admitted.content_id), self.record(admitted.event_id)
        )
        claim = Claim(admitted, value, record)
        _owned(admitted, claim.owner)
        _same(admitted, claim.record)
        await self.cases.compare(admitted, claim.known)
        if claim.record is None:
            routes(admitted, member.registration)
            _not_over(admitted, self._now())
        return claim

    async def _numbers(
        self, member: Member, claims: Sequence[Claim], batch: bool
    ) -> list[int | None]:
        """Each event's revision; those of one dossier get theirs one after another."""
        found: dict[int, int | None] = {}

        async def in_turn(places: Sequence[int]) -> None:
            for place in places:
                try:
                    found[place] = await self._number(member, claims[place])
                except ContractError as wrong:
                    raise wrong.within(f"[{place}]") if batch else wrong from None

        done = await asyncio.gather(*map(in_turn, by_item(claims)), return_exceptions=True)
        for trouble in done:
            if trouble is not None:
                raise trouble
        return [found[place] for place in range(len(claims))]

    async def _number(self, member: Member, claim: Claim) -> int | None:
        """A repeat of an accepted case event has its own, and no contact is kept for it again."""
        contact = claim.admitted.contact
        if contact is None:
            return claim.revision
        if claim.record is not None:
            return claim.record.revision
        case = Case(claim.admitted, contact, routes(claim.admitted, member.registration))
        return await self.cases.place(case, claim.known, self._now())

    async def _claim(self, numbered: tuple[Claim, int | None]) -> EventRecord:
        """Book what the event says, then whose item it is; somebody else may be first in both.

        A withdrawal reserves no item: what nobody sent can't be withdrawn.
        """
        claim, revision = numbered
        admitted = claim.admitted
        entry = claim.entry(revision, self._now()).model_dump_json().encode()
        kept = await _first(self.events, admitted.event_id, entry)
        record = EventRecord.model_validate_json(kept)
        _same(admitted, record)
        crash_point("gateway.event_booked")
        if admitted.revision:
            mine = Ownership(unit=admitted.unit).model_dump_json().encode()
            kept = await _first(self.owners, admitted.content_id, mine)
            _owned(admitted, Ownership.model_validate_json(kept))
        return record

    async def _store(self, admitted: Admitted) -> None:
        """The id is claimed for this content: another one that the stream took under it must not
        keep this one out. Whatever reads the stream refuses the other."""
        try:
            await send(self.bus, admitted, patience_s=ANSWER_S)
        except Conflict:
            own_id = f"{admitted.event_id}.{admitted.content_hash}"
            await send(self.bus, admitted, patience_s=ANSWER_S, msg_id=own_id)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


def unavailable() -> Unavailable:
    """Nobody knows whether it is stored: come back, with the same event."""
    trouble = fault("event", "unavailable", retry_after_s=RETRY_AFTER_S)
    return Unavailable(trouble, retry_after_s=RETRY_AFTER_S)


def by_item(claims: Sequence[Claim]) -> list[list[int]]:
    """The places of the claims, item by item, each in their order."""
    found: dict[str, list[int]] = {}
    for place, claim in enumerate(claims):
        found.setdefault(claim.admitted.content_id, []).append(place)
    return list(found.values())


def _owned(admitted: Admitted, owner: Ownership | None) -> None:
    if owner and owner.unit != admitted.unit:
        value, field = admitted.content_id, "case_code" if admitted.contact else "content_id"
        raise Forbidden(fault(f"data.{field}", "owned_by_other_unit", value=value))


def _same(admitted: Admitted, record: EventRecord | None) -> None:
    if record and record.hash != admitted.content_hash:
        raise Conflict(fault("id", "same_id_other_content"))


def _not_over(admitted: Admitted, now: datetime) -> None:
    """Raises Invalid for an item of which nothing could go out any more."""
    if ends := over(admitted.said, now):
        moments = {"value": ends.isoformat(), "now": now.isoformat(timespec="seconds")}
        raise Invalid(fault("data.expires_at", "over_already", **moments))


def _one_meaning_per_id(admitted: Sequence[Admitted]) -> None:
    """Within one batch, too, an id stands for one content, and one contact."""
    said: dict[str, Admitted] = {}
    for number, one in enumerate(admitted):
        first = said.setdefault(one.event_id, one)
        if first.content_hash != one.content_hash:
            raise Conflict(fault("id", "same_id_other_content")).within(f"[{number}]")
        if first.contact != one.contact:
            raise Conflict(fault("data.contact", "other_contact")).within(f"[{number}]")


def _room(claims: Sequence[Claim], batch: bool) -> None:
    """Raises Invalid, before anything is written, for more events than a dossier can take."""
    for places in by_item(claims):
        last = claims[places[-1]]
        if last.admitted.contact is None:
            continue
        try:
            room(last.known, [claims[place].admitted for place in places])
        except ContractError as wrong:
            raise wrong.within(f"[{places[-1]}]") if batch else wrong from None


def _answer(admitted: Admitted, record: EventRecord) -> Accepted:
    return Accepted(admitted.event_id, admitted.content_id, record.revision)


async def _first(bucket: Bucket, key: str, data: bytes) -> bytes:
    """What stands under *key*: *data*, or what was put there before."""
    try:
        await bucket.create(key, data)
    except nats.Conflict:
        value = await bucket.get(key)
        if value is None:
            raise
        return value.data
    return data


async def _every(
    batch: bool, items: Sequence[Item], step: Callable[[Item], Awaitable[Result]]
) -> list[Result]:
    """The results of one *step* for all items; the faults of a batch become one error."""
    if not batch:
        return [await step(item) for item in items]
    answers = await asyncio.gather(*map(step, items), return_exceptions=True)
    return each(answers, _unwrapped)


def _unwrapped(answer: Result | BaseException) -> Result:
    if isinstance(answer, BaseException):
        raise answer
    return answer
