"""Woken by an event: checks it once more and gives it its position, at once or by way of the desk.

The bus is a door too, so everything is checked here again. What breaks the contract is raised and
becomes a dead letter. Every step may be repeated after a crash at any point: the item's record
decides, everything else follows from it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import structlog
from pydantic import BaseModel
from structlog.contextvars import bound_contextvars

from consumers import items
from consumers.desk import Desk
from consumers.drafts import Draft
from consumers.faults import fault
from consumers.items import NOT_ADMITTED, Card, Claim, Item, NothingThere, Position
from consumers.register import Held, Register
from consumers.release import Release
from consumers.seen import Seen
from consumers.settle import Later
from consumers.turns import Turns
from contracts import errors, events, keys, subjects
from contracts.case import CaseUpdated
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted, Withdrawn
from contracts.crash import crash_point
from contracts.delivery import Lane
from contracts.errors import ContractError, Forbidden, Invalid
from contracts.records import EventRecord
from contracts.vocabulary import Vocabulary
from producers.bus import Bus

log = structlog.get_logger()
ORDER_S = 0.2


class Rules(BaseModel):
    """What a unit may do (bucket `units`). Nothing is known of a unit: the safe way."""

    release: Literal["automatic", "desk"] = "desk"
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """An event that a unit offers, checked."""

    event: CloudEvent
    unit: str
    said: Submitted | Withdrawn
    at: datetime

    @property
    def event_id(self) -> str:
        return keys.event_id(self.unit, self.event.source, self.event.id)

    @property
    def hash(self) -> str:
        return keys.content_hash(self.event.type, self.event.data)

    @property
    def content_id(self) -> str:
        return self.said.content_id

    def booked(self) -> EventRecord:
        return EventRecord(
            hash=self.hash,
            unit=self.unit,
            content_id=self.content_id,
            revision=self.said.revision if isinstance(self.said, Submitted) else None,
            type=self.event.type,
            at=self.at,
        )

    def position(self, card: Card, **more: object) -> Position:
        """The first record of the position this event takes."""
        return Position.model_validate(
            {
                **Card.of(card).model_dump(),
                "event_id": self.event_id,
                "hash": self.hash,
                "unit": self.unit,
                "kind": events.kind_of(self.event.type),
                "at": self.at,
                "event_time": self.event.time,
                **more,
            }
        )


class Intake:
    """Takes events from CONTENT to PUBLICATIONS or to the desk."""

    def __init__(
        self, bus: Bus, vocabulary: Vocabulary, clock: Callable[[], float] = time.time
    ) -> None:
        self.bus = bus
        self.vocabulary = vocabulary
        self.clock = clock
        self.turns = Turns()
        self.units = bus.bucket(subjects.UNITS.name)
        self.seen = Seen(bus)
        self.register = Register(bus)
        self.release = Release(bus, self.register)
        self.desk = Desk(bus, self.register, self.release, clock)

    async def handle(
        self, event: CloudEvent, unit: str, kind: str | None = None, *, seq: int = 0
    ) -> None:
        """Take one event in. *unit* and *kind* are what its subject proves, *seq* where it lies.

        Events of one item are taken in one after another, in the order they came. Raises
        ContractError for an event that breaks the contract, Later when an earlier one has to come
        first, BusError when the bus fails. A repeat is harmless.
        """
        offer = self.checked(event, unit, kind)
        crash_point("intake.fetched")
        facts = {"event_id": offer.event_id, "content_id": offer.content_id}
        with bound_contextvars(**facts, unit=unit):
            async with self.turns.of(offer.content_id):
                await self.take_in(offer, seq)

    async def take_in(self, offer: Offer, seq: int) -> None:
        record, rules, held = await asyncio.gather(
            self.seen.book(offer.event_id, offer.booked()),
            self.rules(offer.unit),
            self.register.held_item(offer.content_id),
        )
        crash_point("intake.event_booked")
        try:
            await self.place(offer, rules, held, seq)
        except ContractError as refusal:
            await self.refuse(offer, record, refusal)
            raise
        await self.seen.mark(offer.event_id, record, ())
        crash_point("intake.done")
        log.info("event_taken_in", type=offer.event.type)

    def checked(self, event: CloudEvent, unit: str, kind: str | None) -> Offer:
        """Everything that can be judged without the bus."""
        said = events.check(event, self.vocabulary)
        if isinstance(said, CaseUpdated):
            raise Invalid(errors.fault("type", "type_closed", value=event.type))
        if kind is not None and kind != events.kind_of(event.type):
            raise Invalid(fault("type", "kind_differs", value=event.type, kind=kind))
        events.check_sender(event, unit, self.vocabulary)
        return Offer(event, unit, said, datetime.fromtimestamp(self.clock(), UTC))

    async def place(self, offer: Offer, rules: Rules, held: Held[Item], seq: int) -> None:
        if isinstance(offer.said, Withdrawn):
            item = await self.taken_back(offer, offer.said, held, seq)
            crash_point("intake.barred")
            await self.withdraw(offer, offer.said, item)
        else:
            move = partial(admitted, offer=offer, text=offer.said, rules=rules)
            item = await self.register.change_item(offer.content_id, move, held)
            await self.submit(offer, offer.said, item, rules)

    async def submit(self, offer: Offer, text: Submitted, item: Item, rules: Rules) -> None:
        """What follows for a revision that has its position: release, or a place at the desk."""
        crash_point("intake.position_taken")
        first = opened(offer, text, item, rules)
        record = await self.register.open(text.content_id, text.revision, first)
        crash_point("intake.position_opened")
        if text.revision in item.released:
            await self.release.text(item, text, record)
        elif text.revision in item.waiting:
            await self.desk.put(drafted(offer, text))
            crash_point("intake.drafted")
        await self.desk.tidy(text.content_id, item)

    async def taken_back(self, offer: Offer, said: Withdrawn, held: Held[Item], seq: int) -> Item:
        """Bar the item. One that nobody knows may be in an event that is still on its way."""

        def move(found: Item | None) -> Item:
            item = items.owned(found, offer.unit, said.content_id)
            return items.withdraw(item, offer.event_id, offer.at, said.content_id)

        try:
            return await self.register.change_item(said.content_id, move, held)
        except NothingThere:
            await self.earlier_first(seq)
            return await self.register.change_item(said.content_id, move)

    async def withdraw(self, offer: Offer, said: Withdrawn, item: Item) -> None:
        """Take a barred item back at once: from its readers, and from the desk."""
        number = item.position_of(offer.event_id)
        lane = Lane.NORMAL if item.lane is Lane.BULK else item.lane  # it is to stop a bulk
        update = {"channels": item.reached, "title": said.title or item.title, "lane": lane}
        card = item.model_copy(update=update)
        more = {"state": "withdrawn", "released_at": item.released.get(number)}
        sender = submitter(offer.event)
        first = offer.position(card, **more, reason=said.reason, submitter=sender)
        record = await self.register.open(said.content_id, number, first)
        if number in item.released:
            await self.release.withdrawal(said.content_id, item, record)
        await self.desk.tidy(said.content_id, item)

    async def earlier_first(self, seq: int) -> None:
        """Raises Later while an event before *seq* is not settled."""
        if not seq:
            return
        info = await self.bus.consumer_info(subjects.CONTENT.name, subjects.INTAKE)
        if info["num_ack_pending"] > 1 and info["ack_floor"]["stream_seq"] < seq - 1:
            raise Later(ORDER_S, "earlier events come first")

    async def refuse(self, offer: Offer, record: EventRecord, refusal: ContractError) -> None:
        """Note that an event was refused and why, where the sender and `trace` look."""
        await self.seen.mark(offer.event_id, record, refusal.errors)
        crash_point("intake.refused")
        log.info("event_not_admitted", fields=[error.field for error in refusal.errors])
        text = offer.said
        item = await self.register.item(text.content_id)
        if isinstance(text, Withdrawn) or (item and item.unit != offer.unit):
            return
        more = {"state": "refused", "code": NOT_ADMITTED, "reason": str(refusal)}
        first = offer.position(Card.of(text), **more)
        await self.register.change_position(
            text.content_id, text.revision, lambda found: found or first
        )

    async def rules(self, unit: str) -> Rules:
        value = await self.units.get(unit)
        return Rules.model_validate_json(value.data) if value else Rules()


def admitted(found: Item | None, offer: Offer, text: Submitted, rules: Rules) -> Item:
    """The item with the revision in it; unchanged for a repeat. Raises ContractError."""
    item = items.owned(found, offer.unit, text.content_id)
    claim = Claim(offer.event_id, text.revision)
    taken = items.admit(item, claim)
    if taken is item:
        return item
    if text.lane == Lane.URGENT and not rules.urgent:
        raise Forbidden(errors.fault("data.lane", "urgent_not_allowed"))
    if rules.release == "desk":
        return items.wait(taken, text.revision)
    return items.release(taken, text.revision, Card.of(text), offer.at, text.not_before)


def opened(offer: Offer, text: Submitted, item: Item, rules: Rules) -> Position:
    """The first record of a revision, as the item sees it."""
    released_at = item.released.get(text.revision)
    record = offer.position(
        Card.of(text),
        state="released" if released_at else "waiting",
        released_at=released_at,
        not_before=text.not_before,
        author=text.author,
        submitter=submitter(offer.event),
        policy=rules.release,
    )
    left_behind = text.revision not in item.waiting
    return items.ended(record, item, text.revision) if left_behind else record


def drafted(offer: Offer, text: Submitted) -> Draft:
    return Draft(
        content_id=text.content_id,
        revision=text.revision,
        unit=offer.unit,
        event_id=offer.event_id,
        hash=offer.hash,
        type=offer.event.type,
        data=offer.event.data,
        at=offer.at,
        author=text.author,
        submitter=submitter(offer.event),
    )


def submitter(event: CloudEvent) -> str | None:
    named = event.extensions.get(events.SUBMITTER)
    return str(named) if named else None
