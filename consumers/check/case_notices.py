"""Rules of case notices: one row each, of a known event, on one channel after the other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from consumers.case_notices.recipients import NOT_REACHED_ROWS
from consumers.check.batches import RuleHits
from consumers.ledger import moves
from consumers.ledger.backoff import GIVE_UP_S
from consumers.ledger.bulk import BATCHES_PER_REQUEST, StoredBatch, read_chunk
from consumers.ledger.entry import TimeRules
from contracts import keys
from contracts.delivery import BatchKey, ChannelName
from contracts.records import NoticeRecord, notice_key
from producers.bus import Bucket

CHANNELS = (ChannelName.ZALO, ChannelName.EMAIL)
NO_DEADLINE = TimeRules(retry_for_s=GIVE_UP_S)


def ledger_keys(content_id: str, revision: int) -> list[str]:
    """The ledger keys of which an accepted case event has one at least."""
    return [f"state.{BatchKey(one, content_id, revision, 0)}" for one in CHANNELS]


@dataclass
class NoticePairs:
    """Notices that have a batch on both channels, compared in chunks of one request."""

    ledger: Bucket
    contacts: Bucket
    waiting: list[StoredBatch] = field(default_factory=list)
    hits: list[tuple[str, str, str]] = field(default_factory=list)

    async def add(self, batch: StoredBatch) -> None:
        """Look at a batch that can be read; a pair is found by its half on the second channel."""
        if is_case(batch) and batch.key.channel is not CHANNELS[0]:
            self.waiting.append(batch)
        if len(self.waiting) >= BATCHES_PER_REQUEST:
            await self.compare()

    async def notified_twice(self) -> list[tuple[str, str, str]]:
        """Notices of which a second channel began before the first had surely failed."""
        await self.compare()
        return self.hits

    async def compare(self) -> None:
        ones, self.waiting = self.waiting, []
        others = [batch.key._replace(channel=CHANNELS[0]) for batch in ones]
        pairs = zip(ones, await read_chunk(self.ledger, others, recipients=False), strict=True)
        both = [
            pair for pair in pairs if pair[1].entry and not all(map(is_surely_not_reached, pair))
        ]
        records = await self.records([one for one, _ in both])
        for pair, record in zip(both, records, strict=True):
            if wrong := premature_channel(pair, record):
                self.hits.append(("notice-twice", notice_name(pair[0]), wrong))

    async def records(self, batches: Sequence[StoredBatch]) -> list[NoticeRecord | None]:
        """The notices' contact records; None for a deleted or unreadable one."""
        places = [contact_key(one) for one in batches]
        found = await self.contacts.get_many(places)
        return [parse_record(found[one].data) if one in found else None for one in places]

    async def rules(self, batch: StoredBatch, now: float) -> TimeRules:
        """When a notice's row has to have ended: never where no channel comes after."""
        if batch.entry is None or not moves.overdue_rows(batch.entry, now, NO_DEADLINE):
            return NO_DEADLINE
        if not is_case(batch):
            return NO_DEADLINE
        [record] = await self.records([batch])
        return NO_DEADLINE if record and record.next_after(batch.key.channel) else TimeRules()


def premature_channel(pair: tuple[StoredBatch, StoredBatch], record: NoticeRecord | None) -> str:
    """Describe a channel that began although an earlier one may have reached the recipient.

    Clocks of two machines can't tell which was first. Where the contact, which can, is deleted,
    it is a violation unless one of the two surely reached no recipient.
    """
    first, second = pair
    if record and first.key.channel is not record.channels[0]:
        first, second = second, first
    wrong = not is_surely_not_reached(first) and (
        record is not None or not is_surely_not_reached(second)
    )
    return f"{second.state_key}, and {first.state_key} may have arrived" if wrong else ""


def is_surely_not_reached(batch: StoredBatch) -> bool:
    return batch.entry is not None and batch.entry.rows in NOT_REACHED_ROWS


def contact_key(batch: StoredBatch) -> str:
    """The key of the contact record of a readable batch."""
    event_id = batch.entry.notice_recipient if batch.entry else ""
    return notice_key(batch.key.content_id, batch.key.revision, event_id)


def notice_name(batch: StoredBatch) -> str:
    """A notice's name, of no one channel."""
    return f"notice.{batch.key.content_id}.{batch.key.revision}"


def parse_record(data: bytes) -> NoticeRecord | None:
    """None for what this version can't read."""
    try:
        return NoticeRecord.model_validate_json(data)
    except ValidationError:
        return None


def check_notice(batch: StoredBatch) -> RuleHits:
    """Check the shape of a notice's or a transactional mail's batch."""
    entry = batch.entry
    if entry is None:
        return
    if batch.key.number or len(entry.rows) != 1:
        yield "notice-shape", f"{len(entry.rows)} rows in batch {batch.key.number}"
    if is_case(batch) and not entry.notice_seq:
        yield "notice-shape", "it names no event"


def is_personal(batch: StoredBatch) -> bool:
    """Whether it is for one person, so that no plan counts it."""
    return keys.is_personal(batch.key.content_id)


def is_case(batch: StoredBatch) -> bool:
    """A letter has no event, and no second channel."""
    return keys.is_case(batch.key.content_id)


def is_lost(wanted: Iterable[str], found: frozenset[str]) -> bool:
    """Whether none of an event's places in the ledger is taken."""
    return found.isdisjoint(wanted)
