"""Evidence for the judge: what senders were told, what the bus holds, what receivers noted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consumers.dead_letters.letter import DeadLetterQuery
from consumers.dead_letters.store import DeadLetterStore
from consumers.intake.items import Item, Position
from consumers.ledger import codec
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from contracts import keys, publication, subjects
from contracts.case import Contact
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import Publication
from contracts.records import EventRecord, NoticeRecord
from contracts.subscriptions.digest import Issue
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus
from tests.deep.crash.receiver import ReceivedMail, marks

NEVER = b"xuewv"


@dataclass(frozen=True)
class AcceptedEvent:
    """An event that a sender was told is accepted (202, exit code 0, or safe in the spool)."""

    event_id: str
    content_id: str
    revision: int  # 0 for a withdrawal
    readers: frozenset[str] = frozenset()  # addresses that surely follow it by mail
    title: str = ""
    body: str = ""
    for_digest: frozenset[str] = frozenset()  # addresses that surely follow it in digests


@dataclass(frozen=True)
class ReceiverRecords:
    """Records of the receivers, and events that the campaign has sent."""

    mails: list[ReceivedMail]  # in the order of arrival, with those that were put off
    zalo: list[dict[str, Any]]  # the Official Account's journal
    portal: Path  # the public folder
    url: str  # where that is served
    kills: Sequence[float] = field(default_factory=list)  # when
    answers_lost: int = 0  # of Zalo's
    outages: Sequence[tuple[float, float]] = ()  # from when until when the bus took no event
    troubles: Sequence[tuple[float, float]] = ()  # of the bus's servers, until all were whole again


@dataclass(frozen=True)
class Row:
    """One delivery as the ledger has it."""

    plan: PlanKey
    recipient: str
    letter: int
    batch: BatchKey
    picks: int = 0  # which of a digest's items

    @property
    def text(self) -> str:
        """The key of the publication that it is about."""
        return text_key(self.plan)

    @property
    def delivery_key(self) -> str:
        return keys.delivery_key(
            self.plan.content_id, self.plan.revision, self.plan.channel, self.recipient
        )

    @property
    def never(self) -> bool:
        return self.letter in NEVER

    def __str__(self) -> str:
        return f"{self.plan} {self.recipient} ({chr(self.letter)})"


def text_key(plan: PlanKey) -> str:
    return keys.publication_key(plan.content_id, plan.revision)


def approved_marks(text: Publication) -> tuple[str, ...]:
    return () if text.action == "withdrawn" else marks(text.body)


@dataclass
class LedgerSnapshot:
    """Everything the bus holds, read once."""

    plans: dict[PlanKey, PlanCursor] = field(default_factory=dict)
    entries: dict[BatchKey, LedgerEntry] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    events: dict[str, EventRecord] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)
    texts: dict[str, Publication] = field(default_factory=dict)  # as they were approved, by key
    addresses: dict[str, str] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)  # of case notices, by key
    letters: Counter[str] = field(default_factory=Counter)  # dead letters by event
    issues: dict[str, Issue] = field(default_factory=dict)  # of digests, by key

    def mail_rows(self) -> dict[str, Row]:
        """Rows by what their mails' Message-IDs hold of them."""
        return {row.delivery_key[:32]: row for row in self.rows if row.plan.channel == "email"}

    def positions_in(self, row: Row) -> Iterator[PlanKey]:
        """The positions that a mail brings: one, or of a digest those picked for its reader."""
        issue = self.issues.get(row.text)
        if issue is None:
            yield row.plan
            return
        for number, item in enumerate(issue.items):
            if row.picks >> number & 1:
                yield PlanKey(ChannelName.EMAIL, item.content_id, item.revision)

    def address(self, row: Row) -> str:
        """Where a row's recipient is reached; empty for a letter, which is forgotten by now."""
        if row.text in self.contacts:
            return self.contacts[row.text].address(row.plan.channel)
        return self.addresses.get(row.recipient, "")

    def end(self, row: Row) -> float:
        """When what a row is about is over, in epoch seconds; a digest with its first item."""
        text = self.texts.get(row.text) or self.issues.get(row.text)
        return text.expires_at.timestamp() if text and text.expires_at else float("inf")


async def read_deliveries(bus: Bus, content_id: str) -> LedgerSnapshot | None:
    """Rows of an item's mails and of letters in the ledger; None until all have ended.

    A letter that waits to be ticked off is left out: it is begun again if the ledger has it not.
    """
    books, ledger = LedgerSnapshot(), Ledger(bus)
    plan = PlanKey(ChannelName.EMAIL, content_id, 1)
    if await ledger.plan(plan) is None:
        return None
    await read_plan(ledger, plan, books)
    open_notes = await bus.bucket(subjects.SUBSCRIBERS.name).keys("f.")
    async for key, value in ledger.bucket.values("state.email.letter-"):
        batch, entry = BatchKey.parse(key.removeprefix("state.")), codec.decode_state(value.data)
        if entry.closed_at and f"f.{batch.content_id}" not in open_notes:
            books.entries[batch] = entry
            books.rows.append(Row(batch.plan, entry.notice_recipient, entry.rows[0], batch))
    has_ended = books.plans[plan].complete and all(e.closed_at for e in books.entries.values())
    return books if has_ended and len({batch.plan for batch in books.entries}) > 1 else None


def restore_removed(books: LedgerSnapshot, old: LedgerSnapshot) -> Iterator[str]:
    """Put back what retention has removed from *books*; name what is lost otherwise."""
    for plan in old.plans:
        cursor, known = books.plans.get(plan), Counter[str]()
        for batch, entry in old.entries.items():
            known.update(entry.count_by_status() if batch.plan == plan else {})
        if cursor is None or (cursor.removed and Counter(cursor.counts) & known != known):
            yield f"lost: the counts of {plan}: {cursor and cursor.counts}, not {known}"
    removed = {row.batch for row in old.rows} - books.entries.keys()
    for batch in removed - {b for b in removed if keys.is_personal(b.content_id)}:
        if not books.plans[batch.plan].removed:
            yield f"lost: the rows of {batch}"
    books.rows += [row for row in old.rows if row.batch in removed]
    books.entries |= {batch: old.entries[batch] for batch in removed}


async def read_snapshot(bus: Bus) -> LedgerSnapshot:
    books, ledger = LedgerSnapshot(), Ledger(bus)
    async for key, _ in ledger.bucket.values("plan."):
        await read_plan(ledger, PlanKey.parse(key.removeprefix("plan.")), books)
    await read_notices(bus, ledger, books)
    await read_register(bus, books)
    async for key, value in bus.bucket(subjects.EVENTS.name).values(""):
        books.events[key] = EventRecord.model_validate_json(value.data)
    async for _, value in bus.bucket(subjects.SUBSCRIBERS.name).values("s."):
        person = Subscriber.model_validate_json(value.data)
        books.addresses[person.id] = person.email
    async for _, value in bus.bucket(subjects.DIGESTS.name).values("issue."):
        issue = Issue.model_validate_json(value.data)
        books.issues[keys.publication_key(issue.digest_id, issue.revision)] = issue
    async for letter in DeadLetterStore(bus).letters(DeadLetterQuery(ended=True)):
        books.letters[letter.about.event_id] += 1
    return books


async def read_notices(bus: Bus, ledger: Ledger, books: LedgerSnapshot) -> None:
    """Case notices and letters: batches that no plan counts, and whom notices are for."""
    async for key, value in ledger.bucket.values("state."):
        batch = BatchKey.parse(key.removeprefix("state."))
        if keys.is_personal(batch.content_id):
            entry = codec.decode_state(value.data)
            books.entries[batch] = entry
            books.rows.append(Row(batch.plan, entry.notice_recipient, entry.rows[0], batch))
    async for _, value in bus.bucket(subjects.NOTICES.name).values(""):
        if b'"contact"' in value.data:
            record = NoticeRecord.model_validate_json(value.data)
            key = keys.publication_key(record.content_id, record.revision)
            books.contacts[key] = record.contact


async def read_register(bus: Bus, books: LedgerSnapshot) -> None:
    async for key, value in bus.bucket(subjects.PUBLISHED.name).values(""):
        if "." in key:
            books.positions[key] = Position.model_validate_json(value.data)
        else:
            books.items[key] = Item.model_validate_json(value.data)
    async for message in bus.scan(subjects.PUBLICATIONS.name):
        text = publication.decode(message.data)
        books.published[text.key] += 1
        books.texts[text.key] = text


async def read_plan(ledger: Ledger, plan: PlanKey, books: LedgerSnapshot) -> None:
    held = await ledger.plan(plan)
    assert held is not None
    books.plans[plan] = held.value
    async for batch, entry in ledger.entries(plan, held.value):
        books.entries[batch] = entry.value
        rows = await ledger.rows(batch)
        pairs = zip(rows.ids, entry.value.rows, strict=True)
        books.rows += [Row(plan, id, now, batch, rows.item_masks.get(id, 0)) for id, now in pairs]
