"""Case notices in the ledger: one row each, of a known event, on one channel after the other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from consumers.check.batches import Found
from consumers.ledger import moves
from consumers.ledger.bulk import AT_ONCE, Batch, read
from consumers.ledger.entry import Rules
from consumers.notices.persons import SURELY_NOT
from consumers.retry import GIVE_UP_S
from contracts import keys
from contracts.delivery import BatchKey, ChannelName
from contracts.records import NoticeRecord, notice_key
from producers.bus import Bucket

CHANNELS = (ChannelName.ZALO, ChannelName.EMAIL)
PATIENT = Rules(patience_s=GIVE_UP_S)


def places(content_id: str, revision: int) -> list[str]:
    """The ledger keys of which an accepted case event has one at least."""
    return [f"state.{BatchKey(one, content_id, revision, 0)}" for one in CHANNELS]


@dataclass
class Tried:
    """Notices that have a batch on both channels. What is held meanwhile is one request's worth."""

    ledger: Bucket
    contacts: Bucket
    waiting: list[Batch] = field(default_factory=list)
    found: list[tuple[str, str, str]] = field(default_factory=list)

    async def add(self, batch: Batch) -> None:
        """Look at a batch that can be read; a pair is found by its half on the second channel."""
        if is_case(batch) and batch.key.channel is not CHANNELS[0]:
            self.waiting.append(batch)
        if len(self.waiting) >= AT_ONCE:
            await self.compare()

    async def twice(self) -> list[tuple[str, str, str]]:
        """A second channel's turn comes only when the first could surely not reach the person."""
        await self.compare()
        return self.found

    async def compare(self) -> None:
        ones, self.waiting = self.waiting, []
        others = [batch.key._replace(channel=CHANNELS[0]) for batch in ones]
        pairs = zip(ones, await read(self.ledger, others, recipients=False), strict=True)
        both = [pair for pair in pairs if pair[1].entry and not all(map(surely_not, pair))]
        records = await self.records([one for one, _ in both])
        for pair, record in zip(both, records, strict=True):
            if wrong := overtaken(pair, record):
                self.found.append(("notice-twice", notice(pair[0]), wrong))

    async def records(self, batches: Sequence[Batch]) -> list[NoticeRecord | None]:
        """Whom the notices are for, and in which order; None for what is deleted or unreadable."""
        places = [place(one) for one in batches]
        found = await self.contacts.many(places)
        return [legible(found[one].data) if one in found else None for one in places]

    async def rules(self, batch: Batch, now: float) -> Rules:
        """When a notice's row has to have ended: never where no channel comes after."""
        if batch.entry is None or not moves.overdue(batch.entry, now, PATIENT):
            return PATIENT
        if not is_case(batch):
            return PATIENT
        [record] = await self.records([batch])
        return PATIENT if record and record.next_after(batch.key.channel) else Rules()


def overtaken(pair: tuple[Batch, Batch], record: NoticeRecord | None) -> str:
    """How a channel began although the one before it may have reached the person; else empty.

    Clocks of two machines can't tell which was first. Where the contact, which can, is deleted,
    one of the two surely reached nobody, or there is no doubt that something went wrong.
    """
    first, second = pair
    if record and first.key.channel is not record.channels[0]:
        first, second = second, first
    wrong = not surely_not(first) and (record is not None or not surely_not(second))
    return f"{second.name}, and {first.name} may have arrived" if wrong else ""


def surely_not(batch: Batch) -> bool:
    return batch.entry is not None and batch.entry.rows in SURELY_NOT


def place(batch: Batch) -> str:
    """Where the contact of a batch that can be read lies."""
    event_id = batch.entry.recipient if batch.entry else ""
    return notice_key(batch.key.content_id, batch.key.revision, event_id)


def notice(batch: Batch) -> str:
    """A notice's name, of no one channel."""
    return f"notice.{batch.key.content_id}.{batch.key.revision}"


def legible(data: bytes) -> NoticeRecord | None:
    """None for what this version can't read."""
    try:
        return NoticeRecord.model_validate_json(data)
    except ValidationError:
        return None


def judge(batch: Batch) -> Found:
    """What a notice's batch, or a letter's, must be."""
    entry = batch.entry
    if entry is None:
        return
    if batch.key.number or len(entry.rows) != 1:
        yield "notice-shape", f"{len(entry.rows)} rows in batch {batch.key.number}"
    if is_case(batch) and not entry.source:
        yield "notice-shape", "it names no event"


def is_notice(batch: Batch) -> bool:
    """Whether it is for one person, so that no plan counts it."""
    return keys.is_personal(batch.key.content_id)


def is_case(batch: Batch) -> bool:
    """A letter has no event, and no second channel."""
    return keys.is_case(batch.key.content_id)


def lost(wanted: Iterable[str], found: frozenset[str]) -> bool:
    """Whether none of an event's places in the ledger is taken."""
    return found.isdisjoint(wanted)
