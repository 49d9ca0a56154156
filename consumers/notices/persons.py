"""Case notices: whom each is for and on which channel that person is told, one after the other.

A notice has no plan: its single batch is made by one compare-and-set. Only when a channel says
that it surely can't reach this person does the unit's next channel get a batch of its own. A doubt
never does: nobody is told twice because nobody knew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import structlog

from channels.base import Outcome, Verdict
from consumers.addresses import Addresses, Contact
from consumers.ledger.codec import Rows
from consumers.ledger.entry import Entry, noticed
from consumers.ledger.store import Ledger
from consumers.retry import GIVE_UP_S
from consumers.wake import Waker
from contracts import subjects
from contracts.crash import crash_point
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.records import NoticeRecord, notice_key
from producers.bus import Bus

log = structlog.get_logger()
SURELY_NOT = (b"u", b"e")
"""Batches whose only row the channel could not reach, or had no way to in time; a capital letter
may have reached it."""
DAY_S = 86400.0


class NotToTry(Protocol):
    """Which addresses a channel must not try; see `consumers.suppressions`."""

    async def reason(self, channel: ChannelName, address: str) -> str | None: ...
    async def add(
        self, channel: ChannelName, address: str, reason: str, until: datetime | None
    ) -> None: ...


class Recipients(Protocol):
    """The frozen rows of publications; see `consumers.library`."""

    async def rows(self, batch: BatchKey) -> Rows: ...


class Whom(NamedTuple):
    """The rows of a batch, and where their recipients are reached at this moment.

    `last`: nobody else will tell them if this channel can't, so that it does not give them up.
    """

    rows: Rows
    addresses: Addresses
    last: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """The one recipient of a notice, at this moment; without an address it is gone."""

    address: str
    barred: str = ""

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        if not self.address:
            return {}
        return {id: Contact(id, self.address, barred=self.barred) for id in ids}


@dataclass
class Readers:
    """The recipients of publications, as `Persons` are those of notices: nothing follows."""

    known: Recipients
    addresses: Addresses

    async def whom(self, batch: BatchKey, _entry: Entry) -> Whom:
        return Whom(await self.known.rows(batch), self.addresses)

    async def last(self, _batch: BatchKey, _entry: Entry) -> bool:
        """Who was tried in vain for 72 h is given up."""
        return False

    async def put_off(self, _batch: BatchKey, entry: Entry, now: float) -> None:
        """Readers wait as their publication's plan says."""

    async def ended(self, batch: BatchKey, entry: Entry, now: float) -> None:
        """Nothing follows from a batch's end."""

    async def heard(
        self, batch: BatchKey, entry: Entry, outcomes: Sequence[Outcome], now: float
    ) -> None:
        """What readers want, they have said elsewhere."""


@dataclass
class Notices:
    """Reads bucket `notices`, and makes the batches of case notices. Raises BusError."""

    bus: Bus
    ledger: Ledger
    waker: Waker

    async def record(self, batch: PlanKey | BatchKey, event_id: str) -> NoticeRecord | None:
        """Whom a notice is for; None once that is deleted."""
        key = notice_key(batch.content_id, batch.revision, event_id)
        value = await self.bus.bucket(subjects.NOTICES.name).get(key)
        return NoticeRecord.model_validate_json(value.data) if value else None

    async def begin(self, batch: BatchKey, entry: Entry) -> bool:
        """Make a notice's batch and wake it; False if it was there already."""
        made = await self.ledger.notice(batch, entry)
        crash_point("notice.entry_stored")
        await self.waker.wake(batch, Lane.NOTICE, 0)
        crash_point("notice.woken")
        if made:
            log.info("notice_planned")
        return made

    async def ended(self, batch: BatchKey, entry: Entry, now: float) -> None:
        """Go on to the next channel if this one surely has not reached the person."""
        if entry.rows not in SURELY_NOT:
            tell(entry)
            return
        record = await self.record(batch, entry.recipient)
        following = record.next_after(batch.channel) if record else None
        if following is None:
            log.warning("notice_undeliverable", reason=reason(entry))
            return
        begun = noticed(entry.source, entry.person, now)
        await self.begin(batch._replace(channel=following), begun)
        log.warning("notice_rerouted", to=following.value)


@dataclass
class Persons:
    """What a channel's worker has to know of a notice's person, and does when it ends."""

    notices: Notices
    suppressed: NotToTry

    async def whom(self, batch: BatchKey, entry: Entry) -> Whom:
        """The person a batch is for, as far as its channel may try."""
        record = await self.notices.record(batch, entry.recipient)
        address = record.contact.address(batch.channel) or "" if record else ""
        why = await self.suppressed.reason(batch.channel, address) if address else None
        person = Person(address, why or "")
        return Whom(Rows((entry.recipient,)), person, nobody_after(batch, record))

    async def last(self, batch: BatchKey, entry: Entry) -> bool:
        """Whether no other channel will tell the person: then this one goes on trying."""
        record = await self.notices.record(batch, entry.recipient)
        return nobody_after(batch, record)

    async def put_off(self, _batch: BatchKey, entry: Entry, now: float) -> None:
        """Once a day, from the 72 hours on, say that somebody has not been told yet.

        Said by the last try before a day is over, so that nobody has to remember what was said.
        """
        since = entry.notes[0].since if 0 in entry.notes else 0.0
        waits_s = entry.due - since if since else 0.0
        if waits_s >= GIVE_UP_S and (now - since) // DAY_S < waits_s // DAY_S:
            log.error("notice_waits_long", reason=reason(entry), hours=int((now - since) // 3600))

    async def ended(self, batch: BatchKey, entry: Entry, now: float) -> None:
        """Whatever follows, however often it is asked for."""
        await self.notices.ended(batch, entry, now)

    async def heard(
        self, batch: BatchKey, entry: Entry, outcomes: Sequence[Outcome], now: float
    ) -> None:
        """Remember a person who wants nothing more on a channel, for as long as it says."""
        for one in outcomes:
            record = await self.notices.record(batch, entry.recipient) if one.silence_s else None
            if record and one.verdict is Verdict.SUPPRESSED:
                until = datetime.fromtimestamp(now + one.silence_s, UTC)
                address = record.contact.address(batch.channel)
                await self.suppressed.add(batch.channel, address, one.reason, until)


def nobody_after(batch: BatchKey, record: NoticeRecord | None) -> bool:
    """Whether no channel follows; of a contact that is gone nobody will be told by any."""
    return record is None or record.next_after(batch.channel) is None


def reason(entry: Entry) -> str:
    """What the channel said of a batch's only row, if it said anything."""
    return entry.notes[0].reason if 0 in entry.notes else ""


def tell(entry: Entry) -> None:
    """A person who was not told is somebody's business; a doubt may still end by itself."""
    status, why = next(iter(entry.count())), reason(entry)
    if status is Status.UNKNOWN:
        log.warning("notice_unknown", reason=why)
    elif status is not Status.DELIVERED:
        log.error("notice_not_delivered", status=status.value, reason=why)
