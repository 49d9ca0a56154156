"""Find the publication to preview: a released revision, or one that waits at the desk."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from consumers.digests.earlier_mails import EarlierMails
from consumers.digests.store import DigestStore
from consumers.intake import items
from consumers.intake.desk import find_draft
from consumers.intake.items import Item, ItemSummary
from consumers.intake.release import build_publication
from consumers.intake.repository import ItemRepository
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from contracts import keys, publication, subjects
from contracts.content import Content
from contracts.delivery import ChannelName, PlanKey
from contracts.errors import Invalid
from contracts.publication import Publication
from producers.bus import Bus


@dataclass(frozen=True, slots=True)
class PreviewedPublication:
    """A publication; `has_earlier_revision`: readers may have an earlier one of its item.

    `previous_digest`: the last one in which they may have it.
    """

    publication: Publication
    state: Literal["waiting", "released"]
    has_earlier_revision: bool
    previous_digest: PlanKey | None = None


@dataclass
class PublicationFinder:
    """Reads items, the desk and the stream; changes nothing."""

    bus: Bus
    now: datetime

    def __post_init__(self) -> None:
        self.repository = ItemRepository(self.bus)

    async def find(self, content_id: str, revision: int | None = None) -> PreviewedPublication:
        """Find a revision; without *revision*, the newest draft, then the newest released one.

        Raises Invalid if there is none, Conflict for a draft that was changed.
        """
        item = await self.repository.require_item(content_id)
        waiting = [number for number in item.waiting if number not in item.outdated]
        number = revision or max(waiting or item.released, default=0)
        if number in waiting:
            text = await self.draft_publication(item, content_id, number)
            item = _as_approved(item, text, self.now)
        elif number in item.released:
            text = await self.released_publication(content_id, number)
        else:
            raise _nothing_to_preview(content_id, number)
        return PreviewedPublication(
            text,
            "waiting" if number in waiting else "released",
            any(seen < number for seen in items.visible_revisions(item, number)),
            await self.previous_digest(content_id, number),
        )

    async def previous_digest(self, content_id: str, number: int) -> PlanKey | None:
        """Return the digest that held the newest of the item's positions below *number*."""
        received = EarlierMails(Ledger(self.bus), DigestStore(self.bus))
        digests, _ = await received.source_mails(PlanKey(ChannelName.EMAIL, content_id, number))
        return digests[-1].plan if digests else None

    async def draft_publication(self, item: Item, content_id: str, number: int) -> Publication:
        """Build the publication that the draft's approval would release now."""
        draft = await find_draft(self.bus, content_id, number)
        if draft is None:
            raise _nothing_to_preview(content_id, number)
        item = _as_approved(item, draft.content, self.now)
        return build_publication(draft.content, item, draft.event_id)

    async def released_publication(self, content_id: str, number: int) -> Publication:
        position = await self.repository.position(content_id, number)
        seq = position.seq if position else None
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, seq) if seq else None
        if message is None:
            raise _nothing_to_preview(content_id, number)
        return publication.decode(message.data)


def _as_approved(item: Item, text: Content, now: datetime) -> Item:
    """Return the item as it will be after the release of a draft."""
    return items.release(item, text.revision, ItemSummary.of(text), now, text.not_before)


def _nothing_to_preview(content_id: str, number: int) -> Invalid:
    key = keys.publication_key(content_id, number)
    return Invalid(field_error("revision", "nothing_to_preview", value=key))
