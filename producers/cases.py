"""Case events at the HTTP door: numbers them per dossier, and moves the contact off the stream."""

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

        *known*: the dossier's record as it was read a moment ago. Raises Forbidden for another
        unit's dossier, Conflict for a repeat with another contact.
        """
        revision = await self.number(case.admitted, known, at)
        crash_point("gateway.case_numbered")
        await self.keep(case.record(revision))
        crash_point("gateway.contact_kept")
        return revision

    async def number(self, admitted: Admitted, value: Value | None, at: datetime) -> int:
        key = admitted.content_id
        for _ in range(TRIES):
            dossier = Dossier.model_validate_json(value.data) if value else Dossier(unit="")
            if number := taken(dossier, admitted):
                return number
            number, data = numbered(dossier, admitted, at)
            try:
                await self.dossiers.swap(key, data, value.revision if value else 0)
            except nats.Conflict:
                value = await self.dossiers.get(key)
                continue
            return number
        raise nats.Silence(f"publications.{key}: somebody else keeps changing it")

    async def keep(self, record: NoticeRecord) -> None:
        """Store whom the notice is for, unless that is kept already."""
        key = notice_key(record.content_id, record.revision, record.event_id)
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


def alike(kept: Contact, given: Contact) -> bool:
    """Whether they say the same; an id that somebody had erased meanwhile is not missed."""
    if kept.zalo_user_id is None:
        given = given.model_copy(update={"zalo_user_id": None})
    return kept == given


def room(value: Value | None, admitted: Iterable[Admitted]) -> None:
    """Raises Invalid when a dossier can't take all these events."""
    dossier = Dossier.model_validate_json(value.data) if value else Dossier(unit="")
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
