"""Rules of case notices: one row each, of a known event, on one channel after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.case_notices.recipients import NOT_REACHED_ROWS
from consumers.check.findings import Violation
from consumers.ledger import moves
from consumers.ledger.backoff import GIVE_UP_S
from consumers.ledger.bulk import BATCHES_PER_REQUEST, StoredBatch, read_chunk
from consumers.ledger.entry import LedgerEntry, TimeRules
from contracts import keys
from contracts.catalog import count_of
from contracts.delivery import BatchKey, ChannelName
from contracts.records import NoticeRecord, notice_key
from producers.bus import Bucket, Value
from producers.bus.records import parse
from producers.encryption import is_sealed

_CHANNELS = (ChannelName.ZALO, ChannelName.EMAIL)
NO_DEADLINE = TimeRules(retry_for_s=GIVE_UP_S)


def ledger_keys(content_id: str, revision: int) -> list[str]:
    """The ledger keys of which an accepted case event has at least one."""
    return [f"state.{BatchKey(channel, content_id, revision, 0)}" for channel in _CHANNELS]


class _StoredContact(NamedTuple):
    """A notice's contact; one that this machine has no key for says nothing."""

    record: NoticeRecord | None
    is_readable: bool = True

    @classmethod
    def of(cls, value: Value | None) -> "_StoredContact":
        """Read a value; a deleted or damaged one has no record."""
        if value is None:
            return cls(None)
        return cls(parse(NoticeRecord, value.data), is_readable=not is_sealed(value.data))


@dataclass
class NoticePairs:
    """Notices that have a batch on both channels, compared in chunks of one request."""

    ledger: Bucket
    contacts: Bucket
    waiting: list[StoredBatch] = field(default_factory=list)
    found: list[Violation] = field(default_factory=list)

    async def add(self, batch: StoredBatch) -> None:
        """Add a readable batch; a pair is found by its half on the second channel."""
        if keys.is_case(batch.key.content_id) and batch.key.channel is not _CHANNELS[0]:
            self.waiting.append(batch)
        if len(self.waiting) >= BATCHES_PER_REQUEST:
            await self.compare()

    async def compare(self) -> None:
        """Find notices whose second channel began before the first had surely failed."""
        seconds, self.waiting = self.waiting, []
        firsts = [batch.key._replace(channel=_CHANNELS[0]) for batch in seconds]
        pairs = zip(seconds, await read_chunk(self.ledger, firsts, recipients=False), strict=True)
        both = [one for one in pairs if one[1].entry and not all(map(_is_surely_not_reached, one))]
        contacts = await self.read_contacts([batch for batch, _ in both])
        for pair, contact in zip(both, contacts, strict=True):
            if contact.is_readable and (detail := _premature_channel(pair, contact.record)):
                notice = f"notice.{pair[0].key.content_id}.{pair[0].key.revision}"
                self.found.append(Violation(rule="notice-twice", key=notice, detail=detail))

    async def read_contacts(self, batches: Sequence[StoredBatch]) -> list[_StoredContact]:
        """The notices' contact records."""
        names = [_contact_key(batch) for batch in batches]
        values = await self.contacts.get_many(names)
        return [_StoredContact.of(values.get(name)) for name in names]

    async def rules(self, batch: StoredBatch, entry: LedgerEntry, now: float) -> TimeRules:
        """The deadline of a notice's row; none if no channel comes after."""
        is_case = keys.is_case(batch.key.content_id)
        if not is_case or not moves.overdue_rows(entry, now, NO_DEADLINE):
            return NO_DEADLINE
        [contact] = await self.read_contacts([batch])
        if not contact.is_readable:
            return NO_DEADLINE
        record = contact.record
        return NO_DEADLINE if record and record.next_after(batch.key.channel) else TimeRules()


def _contact_key(batch: StoredBatch) -> str:
    recipient = batch.entry.notice_recipient if batch.entry else ""
    return notice_key(batch.key.content_id, batch.key.revision, recipient)


def _premature_channel(pair: tuple[StoredBatch, StoredBatch], record: NoticeRecord | None) -> str:
    """Describe a channel that began although an earlier one may have reached the recipient.

    Clocks of two machines can't tell which was first. If the contact, which can, is deleted, it is
    a violation unless one of the two surely reached no recipient.
    """
    first, second = pair
    if record and first.key.channel is not record.channels[0]:
        first, second = second, first
    if _is_surely_not_reached(first) or (record is None and _is_surely_not_reached(second)):
        return ""
    return f"{second.state_key}, and {first.state_key} may have arrived"


def _is_surely_not_reached(batch: StoredBatch) -> bool:
    return batch.entry is not None and batch.entry.rows in NOT_REACHED_ROWS


def shape_faults(batch: StoredBatch, entry: LedgerEntry) -> Iterator[str]:
    """Check the shape of a notice's or a transactional mail's batch; the latter has no event."""
    if batch.key.number or len(entry.rows) != 1:
        yield f"{count_of(len(entry.rows), 'row')} in batch {batch.key.number}"
    if keys.is_case(batch.key.content_id) and not entry.notice_seq:
        yield "it names no event"
