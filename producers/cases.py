"""Case events at the HTTP door: numbers them per dossier, and moves the contact off the stream."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contracts import subjects
from contracts.case import Contact
from contracts.crash import crash_point
from contracts.delivery import ChannelName
from contracts.errors import Conflict, Forbidden, Invalid, fault
from contracts.records import Dossier, NoticeRecord, notice_key
from producers import bus as nats
from producers.admission import Admitted
from producers.bus import Bus, Value
from producers.registry import Registration

TRIES = 50
EVENTS_MAX = 1000
"""Of one dossier: its record holds them all, and is written with each."""


@dataclass(frozen=True, slots=True)
class Case:
    """An event of a dossier that this unit may tell its person about, by `channels` in order."""

    admitted: Admitted
    contact: Contact
    channels: tuple[ChannelName, ...]

    def record(self, revision: int) -> NoticeRecord:
        return NoticeRecord(
            content_id=self.admitted.content_id,
            revision=revision,
            event_id=self.admitted.event_id,
            unit=self.admitted.unit,
            contact=self.contact,
            channels=self.channels,
        )


def routes(admitted: Admitted, registration: Registration) -> tuple[ChannelName, ...]:
    """The unit's channels that reach the event's contact. Raises Invalid when none does."""
    contact = admitted.contact
    reaching = tuple(one for one in registration.notices if contact and contact.address(one))
    if contact and not reaching:
        named = ", ".join(registration.notices)
        raise Invalid(fault("data.contact", "unreachable_contact", channels=named))
    return reaching


class Cases:
    """Buckets `publications` and `notices`. Every step may be repeated; raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.dossiers = bus.bucket(subjects.PUBLISHED.name)
        self.notices = bus.bucket(subjects.NOTICES.name)

    async def place(self, case: Case, known: Value | None, at: datetime) -> int:
        """The event's revision, once its contact is kept; a repeat gets the same one.

        Both are written at once: a contact under a number that is taken by then is removed, and
        one that a crash leaves is forgotten after 30 days.

        *known*: the dossier's record as it was read a moment ago. Raises Forbidden for another
        unit's dossier, Conflict for a repeat with another contact.
        """
        for _ in range(TRIES):
            dossier = read(known)
            if number := taken(dossier, case.admitted):
                await self.keep(case.record(number))
                return number
            number, data = numbered(dossier, case.admitted, at)
            record = case.record(number)
            if await self.number(record, data, known):
                return number
            known = await self.dossiers.get(record.content_id)
            await self.drop_stray(record, read(known))
        key = case.admitted.content_id
        raise nats.Silence(f"publications.{key}: somebody else keeps changing it")

    async def number(self, record: NoticeRecord, dossier: bytes, known: Value | None) -> bool:
        """Write *dossier* over *known*, and the contact; False when it has changed meanwhile."""
        won, _ = await asyncio.gather(
            self.swap(record.content_id, dossier, known), self.keep(record)
        )
        crash_point("gateway.contact_kept")
        return won

    async def swap(self, key: str, dossier: bytes, known: Value | None) -> bool:
        try:
            await self.dossiers.swap(key, dossier, known.revision if known else 0)
        except nats.Conflict:
            return False
        crash_point("gateway.case_numbered")
        return True

    async def drop_stray(self, record: NoticeRecord, dossier: Dossier) -> None:
        """Remove a contact that was kept under a number which became another event's."""
        if dossier.positions.get(record.revision) != record.event_id:
            await self.notices.purge(key_of(record))

    async def keep(self, record: NoticeRecord) -> None:
        """Store whom the notice is for, unless that is kept already."""
        key = key_of(record)
        try:
            await self.notices.create(key, record.model_dump_json().encode())
        except nats.Conflict:
            await self.same(record.contact, key)

    async def compare(self, admitted: Admitted, known: Value | None) -> None:
        """Hold a repeat's contact against the one that is kept, for as long as it is.

        Raises Conflict, and Forbidden for another unit's dossier.
        """
        contact = admitted.contact
        if contact is None or known is None:
            return
        if number := taken(Dossier.model_validate_json(known.data), admitted):
            await self.same(contact, notice_key(admitted.content_id, number, admitted.event_id))

    async def same(self, contact: Contact, key: str) -> None:
        value = await self.notices.get(key)
        if value and not alike(NoticeRecord.model_validate_json(value.data).contact, contact):
            raise Conflict(fault("data.contact", "other_contact"))


def read(value: Value | None) -> Dossier:
    return Dossier.model_validate_json(value.data) if value else Dossier(unit="")


def key_of(record: NoticeRecord) -> str:
    return notice_key(record.content_id, record.revision, record.event_id)


def alike(kept: Contact, given: Contact) -> bool:
    """Whether they say the same; an id that somebody had erased meanwhile is not missed."""
    if kept.zalo_user_id is None:
        given = given.model_copy(update={"zalo_user_id": None})
    return kept == given


def room(value: Value | None, admitted: Iterable[Admitted]) -> None:
    """Raises Invalid when a dossier can't take all these events."""
    dossier = read(value)
    events = {*dossier.positions.values(), *(one.event_id for one in admitted)}
    if len(events) > EVENTS_MAX:
        raise full()


def full() -> Invalid:
    return Invalid(fault("data.case_code", "dossier_full", limit=EVENTS_MAX))


def taken(dossier: Dossier, admitted: Admitted) -> int:
    """The number that the event has already; 0 for none. Raises Forbidden."""
    if dossier.unit and dossier.unit != admitted.unit:
        value = admitted.content_id
        raise Forbidden(fault("data.case_code", "owned_by_other_unit", value=value))
    return dossier.position_of(admitted.event_id)


def numbered(dossier: Dossier, admitted: Admitted, at: datetime) -> tuple[int, bytes]:
    """The dossier with one event more, and that event's number. Raises Invalid."""
    number = max(dossier.positions, default=0) + 1
    if number > EVENTS_MAX:
        raise full()
    update = {
        "unit": admitted.unit,
        "revision": number,
        "positions": dossier.positions | {number: admitted.event_id},
        "released": dossier.released | {number: at},
    }
    return number, dossier.model_copy(update=update).model_dump_json().encode()
