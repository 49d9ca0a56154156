"""Mails still to be sent to staff, and the position up to which the editorial log was read.

Bucket `staff_mail`: `cursor`, and `out.<account>` for each person. Both change in one atomic batch,
so an act is worked through once, even if a process dies or another one works at the same time.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from pydantic import AwareDatetime

from contracts import subjects
from contracts.delivery import ChannelName
from contracts.desk.staff_mail import StaffMailLine
from contracts.records import Record
from producers.bus import BatchEntry, Bus, records
from producers.bus.records import Versioned

_CURSOR_KEY = "cursor"
_OUT_PREFIX = "out."


class PendingMail(Record):
    """A mail that is to be sent: `id` is its content_id, the same for every repeat."""

    id: str
    line: StaffMailLine
    at: AwareDatetime
    """When the act was done."""
    slot: AwareDatetime | None = None
    """The morning on which it is sent together with others; None: at once."""
    began: str = ""
    """Of what asks for a step: the digest of the act with which the item came to wait for it."""


class AccountOutbox(Record):
    """Entries to be mailed to one account, oldest first."""

    mails: tuple[PendingMail, ...] = ()


class Sending(Record):
    """A published revision whose deliveries are still to be judged; `act`: digest of that act."""

    content_id: str
    revision: int
    act: str
    channels: tuple[ChannelName, ...]
    until: AwareDatetime
    """The time at which failures are told, even if something still waits."""


class MailCursor(Record):
    """How far everything has been worked through.

    `seq`: the last act of EDITORIAL. `morning`: the last one whose mails may be made; nothing is
    added to those any more. `overdue`: digests of the acts since which items wait whose delay has
    been told. `sending`: what was published and is not delivered to the end.
    """

    seq: int
    morning: AwareDatetime
    overdue: tuple[str, ...] = ()
    sending: tuple[Sending, ...] = ()


class StaffOutbox:
    """Reads and writes the bucket. Raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.STAFF_MAIL.name)

    async def cursor(self) -> Versioned[MailCursor | None]:
        return await records.read(self.bucket, _CURSOR_KEY, MailCursor)

    async def write(
        self,
        known: Versioned[MailCursor | None],
        cursor: MailCursor,
        *mails: Mapping[str, PendingMail],
    ) -> Versioned[MailCursor | None]:
        """Move the cursor on, and add *mails* by account. Raises RevisionConflict."""
        accounts = dict.fromkeys(account for part in mails for account in part)
        added = {one: [part[one] for part in mails if one in part] for one in accounts}
        entries = [await self._added(account, new) for account, new in added.items()]
        entries.append(BatchEntry(_CURSOR_KEY, _encode(cursor), known.revision))
        return Versioned(cursor, await self.bucket.batch(entries))

    async def _added(self, account: str, mails: Sequence[PendingMail]) -> BatchEntry:
        key = _OUT_PREFIX + account
        stored = await records.read(self.bucket, key, AccountOutbox)
        before = stored.value.mails if stored.value else ()
        return BatchEntry(key, _encode(AccountOutbox(mails=(*before, *mails))), stored.revision)

    async def outboxes(self) -> AsyncIterator[tuple[str, AccountOutbox]]:
        """Each account for which mail is pending, by its id."""
        async for key, value in self.bucket.values(_OUT_PREFIX):
            box = records.parse_stored(AccountOutbox, key, value.data)
            if box.mails:
                yield key.removeprefix(_OUT_PREFIX), box

    async def remove(self, account: str, mails: Sequence[PendingMail]) -> None:
        """Take mails out that have been handed on."""
        ids = {mail.id for mail in mails}

        def without(box: AccountOutbox) -> AccountOutbox:
            left = tuple(mail for mail in box.mails if mail.id not in ids)
            return box.model_copy(update={"mails": left})

        key = _OUT_PREFIX + account
        await records.update_or_create(self.bucket, key, AccountOutbox, without)

    async def drop(self, account: str) -> None:
        """Erase all that is pending for an account that is gone."""
        await self.bucket.purge(_OUT_PREFIX + account)

    async def last_change(self) -> int:
        return await self.bucket.last_seq()


def _encode(record: Record) -> bytes:
    return record.model_dump_json().encode()
