"""Case events over HTTP: number them per dossier, and keep the contact out of the stream."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.case import Contact
from contracts.delivery import ChannelName
from contracts.errors import Conflict, Forbidden, Invalid, field_error
from contracts.events import CheckedEvent
from contracts.records import Dossier, NoticeRecord, notice_key
from producers import bus as nats
from producers.bus import Bus, Value
from producers.units.registry import Registration

_MAX_TRIES = 50
MAX_DOSSIER_EVENTS = 1000
"""Limit per dossier: its record holds all events and is rewritten with each."""


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """A case event with its contact and the channels for the notice, in order."""

    event: CheckedEvent
    contact: Contact
    channels: tuple[ChannelName, ...]

    def to_record(self, revision: int) -> NoticeRecord:
        return NoticeRecord(
            content_id=self.event.content_id,
            revision=revision,
            event_id=self.event.event_id,
            unit=self.event.unit,
            contact=self.contact,
            channels=self.channels,
        )


def usable_channels(admitted: CheckedEvent, registration: Registration) -> tuple[ChannelName, ...]:
    """The unit's channels that reach the event's contact. Raises Invalid if there are none."""
    contact = admitted.contact
    reaching = tuple(name for name in registration.notices if contact and contact.address(name))
    if contact and not reaching:
        channels = ", ".join(registration.notices)
        raise Invalid(field_error("data.contact", "unreachable_contact", channels=channels))
    return reaching


class CaseEventStore:
    """Buckets `publications` and `notices`. Every step may be repeated; raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.dossiers = bus.bucket(subjects.PUBLISHED.name)
        self.notices = bus.bucket(subjects.NOTICES.name)

    async def assign_revision(
        self, case: CaseEvent, known: Value | None, at: datetime
    ) -> NoticeRecord:
        """The event's notice with its revision, after it is stored; a repeat gets the same one.

        Record and contact are written concurrently: a contact under a revision that another event
        got is removed, and a contact left by a crash expires after 30 days.

        *known*: the dossier's record, read before. Raises Forbidden for another unit's dossier,
        Conflict for a repeat with another contact.
        """
        for _ in range(_MAX_TRIES):
            dossier = _read_dossier(known)
            if number := _existing_revision(dossier, case.event):
                return await self.store_contact(case.to_record(number))
            number, data = _add_event(dossier, case.event, at)
            record = case.to_record(number)
            if stored := await self.write_revision(record, data, known):
                return stored
            known = await self.dossiers.get(record.content_id)
            if _read_dossier(known).positions.get(number) != record.event_id:
                await self.notices.purge(_contact_key(record))  # the revision is another event's
        key = case.event.content_id
        raise nats.NoReply(f"publications.{key}: somebody else keeps changing it")

    async def write_revision(
        self, record: NoticeRecord, body: bytes, known: Value | None
    ) -> NoticeRecord | None:
        """Write *body* over *known*, and the contact; None if the dossier changed meanwhile."""
        won, stored = await asyncio.gather(
            self.swap_dossier(record.content_id, body, known), self.store_contact(record)
        )
        crash_point("gateway.contact_kept")
        return stored if won else None

    async def swap_dossier(self, key: str, dossier: bytes, known: Value | None) -> bool:
        try:
            await self.dossiers.swap(key, dossier, known.revision if known else 0)
        except nats.RevisionConflict:
            return False
        crash_point("gateway.case_numbered")
        return True

    async def store_contact(self, record: NoticeRecord) -> NoticeRecord:
        """Store a notice with its contact, unless it is stored already; the stored one."""
        key = _contact_key(record)
        try:
            await self.notices.create(key, record.model_dump_json().encode())
        except nats.RevisionConflict:
            return await self.check_same_contact(record.contact, key) or record
        return record

    async def check_repeat(self, admitted: CheckedEvent, known: Value | None) -> None:
        """Compare a repeat's contact with the stored one, while it is stored.

        Raises Conflict, and Forbidden for another unit's dossier.
        """
        contact = admitted.contact
        if contact is None or known is None:
            return
        if number := _existing_revision(Dossier.model_validate_json(known.data), admitted):
            key = notice_key(admitted.content_id, number, admitted.event_id)
            await self.check_same_contact(contact, key)

    async def check_same_contact(self, contact: Contact, key: str) -> NoticeRecord | None:
        """The stored notice, while it is kept. Raises Conflict if it has another contact."""
        value = await self.notices.get(key)
        record = NoticeRecord.model_validate_json(value.data) if value else None
        if record and not _is_same_contact(record, contact):
            raise Conflict(field_error("data.contact", "other_contact"))
        return record


def _read_dossier(value: Value | None) -> Dossier:
    return Dossier.model_validate_json(value.data) if value else Dossier(unit="")


def _contact_key(record: NoticeRecord) -> str:
    return notice_key(record.content_id, record.revision, record.event_id)


def _is_same_contact(record: NoticeRecord, given: Contact) -> bool:
    """Whether two contacts are equal; what was erased from the stored one is ignored."""
    erased = {*record.erased}
    if record.contact.zalo_user_id is None:  # as records of an earlier version say it
        erased.add("zalo_user_id")
    return record.contact == given.model_copy(update=dict.fromkeys(erased))


def check_capacity(value: Value | None, admitted: Iterable[CheckedEvent]) -> None:
    """Raise Invalid if the dossier cannot take all these events."""
    dossier = _read_dossier(value)
    events = {*dossier.positions.values(), *(event.event_id for event in admitted)}
    if len(events) > MAX_DOSSIER_EVENTS:
        raise _dossier_full_error()


def _dossier_full_error() -> Invalid:
    return Invalid(field_error("data.case_code", "dossier_full", limit=MAX_DOSSIER_EVENTS))


def _existing_revision(dossier: Dossier, admitted: CheckedEvent) -> int:
    """The revision that the event already has; 0 for none. Raises Forbidden."""
    if dossier.unit and dossier.unit != admitted.unit:
        value = admitted.content_id
        raise Forbidden(field_error("data.case_code", "owned_by_other_unit", value=value))
    return dossier.position_of(admitted.event_id)


def _add_event(dossier: Dossier, admitted: CheckedEvent, at: datetime) -> tuple[int, bytes]:
    """The event's new revision, and the dossier with the event. Raises Invalid."""
    number = max(dossier.positions, default=0) + 1
    if number > MAX_DOSSIER_EVENTS:
        raise _dossier_full_error()
    update = {
        "unit": admitted.unit,
        "revision": number,
        "positions": dossier.positions | {number: admitted.event_id},
        "released": dossier.released | {number: at},
    }
    return number, dossier.model_copy(update=update).model_dump_json().encode()
