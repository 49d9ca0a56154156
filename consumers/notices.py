"""Case notices: whom each is for and on which channel that person is told, one after the other.

A notice has no plan: its single batch is made by one compare-and-set. Only when a channel says
that it surely can't reach this person does the unit's next channel get a batch of its own. A doubt
never does: nobody is told twice because nobody knew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from channels.base import Outcome, Verdict
from consumers.addresses import Addresses, Contact
from consumers.ledger.entry import Entry, noticed
from consumers.ledger.store import Ledger
from consumers.wake import Waker
from contracts import keys, subjects
from contracts.crash import crash_point
from contracts.delivery import BatchKey, ChannelName, Lane, Status
from contracts.records import NoticeRecord, notice_key
from producers.bus import Bus

log = structlog.get_logger()
SURELY_NOT = (b"u", b"e")
"""Batches whose only row the channel could not reach, or had no way to in time; a capital letter
may have reached it."""


class Suppressed(Protocol):
    """Which addresses a channel must not try; see `consumers.suppressions`."""

    async def reason(self, channel: ChannelName, address: str) -> str | None: ...
    async def add(
        self, channel: ChannelName, address: str, reason: str, until: datetime | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Person:
    """The one recipient of a notice, at this moment; without an address it is gone."""

    address: str

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        if not self.address:
            return {}
        return {id: Contact(id, self.address) for id in ids if id == keys.PERSON}


@dataclass
class Notices:
    """Reads bucket `notices`, and makes the batches of case notices. Raises BusError."""

    bus: Bus
    ledger: Ledger
    waker: Waker

    async def record(self, content_id: str, revision: int) -> NoticeRecord | None:
        """Whom a notice is for; None once that is deleted."""
        value = await self.bus.bucket(subjects.NOTICES.name).get(notice_key(content_id, revision))
        return NoticeRecord.model_validate_json(value.data) if value else None

    async def begin(self, batch: BatchKey, source: int, now: float, *, doubt: bool = False) -> None:
        """Make a notice's batch, unless it is there, and wake it."""
        made = await self.ledger.notice(batch, noticed(source, now, doubt=doubt))
        crash_point("notice.entry_stored")
        await self.waker.wake(batch, Lane.NOTICE, 0)
        crash_point("notice.woken")
        if made:
            log.info("notice_planned")


@dataclass
class Persons:
    """What a channel's worker has to know of a notice's person, and does when it ends."""

    notices: Notices
    suppressed: Suppressed

    async def addresses(self, batch: BatchKey) -> Addresses:
        """The person a batch is for, as far as its channel may try."""
        address = await self.address(batch)
        if address and await self.suppressed.reason(batch.channel, address):
            return Person("")
        return Person(address)

    async def address(self, batch: BatchKey) -> str:
        """Where the person is told; empty once that is deleted."""
        record = await self.notices.record(batch.content_id, batch.revision)
        return record.contact.address(batch.channel) if record else ""

    async def ended(self, batch: BatchKey, entry: Entry, now: float) -> None:
        """Go on to the next channel if this one surely has not reached the person."""
        if entry.rows not in SURELY_NOT:
            tell(entry)
            return
        record = await self.notices.record(batch.content_id, batch.revision)
        following = record.next_after(batch.channel) if record else None
        if following is None:
            log.warning("notice_undeliverable", reason=reason(entry))
            return
        await self.notices.begin(batch._replace(channel=following), entry.source, now)
        log.warning("notice_rerouted", to=following.value)

    async def heard(self, batch: BatchKey, outcomes: Sequence[Outcome], now: float) -> None:
        """Remember a person who wants nothing more on a channel, for as long as it says."""
        for one in outcomes:
            if one.verdict is Verdict.SUPPRESSED and one.silence_s:
                until = datetime.fromtimestamp(now + one.silence_s, UTC)
                address = await self.address(batch)
                await self.suppressed.add(batch.channel, address, one.reason, until)


def reason(entry: Entry) -> str:
    """What the channel said of a batch's only row, if it said anything."""
    return entry.notes[0].reason if 0 in entry.notes else ""


def tell(entry: Entry) -> None:
    """A person who was not told is somebody's business."""
    if entry.count().get(Status.DELIVERED):
        return
    log.error("notice_not_delivered", status=next(iter(entry.count())).value, reason=reason(entry))
