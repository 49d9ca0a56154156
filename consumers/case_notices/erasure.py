"""Remove one address of a person from every case notice and letter that is still kept."""

from collections.abc import Callable
from typing import Literal

from pydantic import ValidationError

from consumers.progress import report_progress
from contracts import subjects
from contracts.case import Contact
from contracts.records import NoticeRecord
from contracts.subscriptions.transactional import TransactionalMail
from producers.bus import Bucket, Bus, RevisionConflict, Value
from producers.bus.records import write

AddressField = Literal["email", "zalo_user_id"]
IsTheirs = Callable[[str], bool]


async def erase_from_notices(bus: Bus, name: AddressField, is_theirs: IsTheirs) -> int:
    """Remove an address from every notice; one without another address is purged.

    Returns the number of notices and letters. Idempotent; raises BusError.
    """
    bucket, cleared = bus.bucket(subjects.NOTICES.name), 0
    report_progress("notices", read := 0)
    async for key, value in bucket.values():
        report_progress("notices", read := read + 1)
        if "." in key:
            continue
        if name == "email" and _is_letter_to(is_theirs, value):
            await bucket.purge(key)
            cleared += 1
            continue
        current: Value | None = value
        while current and (record := parse_notice(key, current)):
            if not is_theirs(getattr(record.contact, name) or ""):
                break
            current = await _erase_from_notice(bucket, key, _without(record, name), current)
            cleared += current is None
    return cleared


def parse_notice(key: str, value: Value) -> NoticeRecord | None:
    """Return a value of bucket `notices` if it is a case notice; other entries' keys have a dot."""
    try:
        return NoticeRecord.model_validate_json(value.data) if "." not in key else None
    except ValidationError:
        return None


def parse_letter(value: Value) -> TransactionalMail | None:
    """Return a value of bucket `notices` if it is a transactional mail."""
    try:
        return TransactionalMail.model_validate_json(value.data)
    except ValidationError:
        return None


def _is_letter_to(is_theirs: IsTheirs, value: Value) -> bool:
    letter = parse_letter(value)
    return letter is not None and is_theirs(letter.address)


def _without(record: NoticeRecord, name: AddressField) -> NoticeRecord:
    contact = record.contact.model_copy(update={name: None})
    return record.model_copy(update={"contact": contact, "erased": (*record.erased, name)})


async def _erase_from_notice(
    bucket: Bucket, key: str, remaining: NoticeRecord, found: Value
) -> Value | None:
    """Store what remains of one notice; None if done, else the entry that is there now.

    The remaining notice is kept for thirty more days: the bucket counts from each write.
    """
    if not _has_address(remaining.contact):
        await bucket.purge(key)
        return None
    try:
        await write(bucket, key, remaining, found.revision)
    except RevisionConflict:
        return await bucket.get(key)
    return None


def _has_address(contact: Contact) -> bool:
    return bool(contact.email or contact.phone or contact.zalo_user_id)
