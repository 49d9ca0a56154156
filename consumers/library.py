"""What a channel has to say, as it needs it: read once from its stream, rendered once."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from channels.base import Content
from consumers.digests.book import Book
from consumers.digests.received import Received
from consumers.digests.standing import texts
from consumers.ledger.codec import Rows
from consumers.ledger.store import Ledger, LedgerError
from contracts import envelope, events, keys, publication, subjects
from contracts.case import AcceptedNotice
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.digest import Digest
from contracts.letter import Letter
from contracts.publication import Publication
from contracts.subjects import Stream
from producers.bus import Bus, Message

KEPT = 64
FORGOTTEN = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Edition:
    """A publication, a notice, a letter or a digest, as its channel renders it; when it is over."""

    rendered: Any
    expires_at: datetime | None = None
    personal: bool = False
    """For one person."""
    source: int = 0
    """Where it lies in its stream."""


class Library:
    """The newest editions of one channel; found through the ledger, kept in memory."""

    def __init__(self, bus: Bus, ledger: Ledger, render: Callable[[Content], Any]) -> None:
        self.bus = bus
        self.ledger = ledger
        self.render = render
        self.kept: OrderedDict[PlanKey, Edition] = OrderedDict()
        self.received = Received(ledger, Book(bus))

    async def rows(self, batch: BatchKey) -> Rows:
        """A batch's recipients. Of mail also which digests brought the text that it corrects."""
        rows = await self.ledger.rows(batch)
        if batch.channel is not ChannelName.EMAIL:
            return rows
        had = await self.received.by(batch, rows)
        return replace(rows, had=had) if had else rows

    async def edition(self, plan: PlanKey, source: int = 0) -> Edition:
        """*source*: where a case notice's event lies; a publication's place is in its plan.

        Raises LedgerError when a plan, its publication or an event is missing.
        """
        if plan not in self.kept:
            self.kept[plan] = await self.read(plan, source)
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end(plan)
        return self.kept[plan]

    async def read(self, plan: PlanKey, source: int) -> Edition:
        if keys.is_case(plan.content_id):
            notice = self.render(await self.notice(source))
            return Edition(notice, personal=True, source=source)
        if keys.is_letter(plan.content_id):
            return await self.letter(plan.content_id)
        if keys.is_digest(plan.content_id):
            return await self.digest(plan)
        found, seq = await self.find(plan)
        return Edition(self.render(found), found.expires_at, source=seq)

    async def find(self, plan: PlanKey) -> tuple[Publication, int]:
        """A publication, and where it lies."""
        held = await self.ledger.plan(plan)
        if held is None:
            raise LedgerError(f"plan.{plan} is missing")
        message = await self.message(subjects.PUBLICATIONS, held.value.source)
        return publication.decode(message.data), held.value.source

    async def notice(self, source: int) -> AcceptedNotice:
        """What is said of a dossier, at the moment at which the stream took it."""
        message = await self.message(subjects.CONTENT, source)
        notice = events.notice(envelope.decode(None, message.headers, message.data))
        return AcceptedNotice(**dict(notice), accepted_at=message.time)

    async def letter(self, content_id: str) -> Edition:
        """A letter lies where it is forgotten; one that is forgotten is over, whatever it said."""
        value = await self.bus.bucket(subjects.NOTICES.name).get(content_id)
        if value is None:
            return Edition(None, FORGOTTEN, personal=True)
        letter = Letter.model_validate_json(value.data)
        return Edition(self.render(letter), letter.expires_at, personal=True)

    async def digest(self, plan: PlanKey) -> Edition:
        """An issue with its texts; it is over as soon as the first of them is."""
        stored = await Book(self.bus).issue(plan.content_id, plan.revision)
        if stored is None:
            raise LedgerError(f"issue.{plan.content_id}.{plan.revision} is missing")
        issue, order = stored
        rendered = self.render(Digest(issue, await texts(self.bus, issue)))
        return Edition(rendered, issue.expires_at, source=order)

    async def message(self, stream: Stream, seq: int) -> Message:
        message = await self.bus.get_message(stream.name, seq)
        if message is None:
            raise LedgerError(f"{stream.name} {seq} is missing")
        return message
