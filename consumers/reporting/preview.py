"""Find the publication to preview: a released revision, or a text that its item's log holds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from consumers.digests.earlier_mails import EarlierMails
from consumers.digests.store import DigestStore
from consumers.editorial.log import EditorialLog
from consumers.intake import item_log, items
from consumers.intake.draft_decisions import find_draft
from consumers.intake.errors import Superseded
from consumers.intake.items import Item, ItemSummary
from consumers.intake.release import build_publication
from consumers.intake.repository import ItemRepository
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from contracts import events, keys, publication, subjects
from contracts.content import Content, Submitted
from contracts.delivery import ChannelName, PlanKey
from contracts.editorial import EditorialText, ItemState
from contracts.errors import Invalid, explain
from contracts.publication import Publication
from producers.bus import Bus


@dataclass(frozen=True, slots=True)
class PreviewedPublication:
    """A publication; `has_earlier_revision`: readers may have an earlier one of its item.

    `state`: a released one, or one that the approval of a text would release now. `written`: the
    item in the editorial log. `is_visible`: whether readers see just this revision now.
    `previous_digest`: the last one in which readers may have the item.
    """

    publication: Publication
    state: Literal["waiting", "released"]
    has_earlier_revision: bool
    written: ItemState
    item: Item
    is_visible: bool
    previous_digest: PlanKey | None = None


@dataclass
class PublicationFinder:
    """Reads items, the editorial log and the stream; changes nothing."""

    bus: Bus
    now: datetime

    def __post_init__(self) -> None:
        self.repository = ItemRepository(self.bus)

    async def find(self, content_id: str, revision: int | None = None) -> PreviewedPublication:
        """Find a revision; without *revision*, the newest of those that are out or written.

        Raises Invalid if there is none, BrokenItem.
        """
        known, written = await self._load(content_id)
        item = known
        texts = _unreleased_texts(written, item)
        number = revision or max([*texts, *item.released], default=0)
        if number in texts:
            text = _text_publication(texts[number], item, self.now)
            item = _as_approved(item, text, self.now)
        elif number in item.released:
            text = await self.released_publication(content_id, number)
        else:
            raise _nothing_to_preview(content_id, number)
        return PreviewedPublication(
            text,
            "waiting" if number in texts else "released",
            any(seen < number for seen in items.visible_revisions(item, number)),
            written,
            known,
            number == items.visible_revision(known, self.now),
            await self.previous_digest(content_id, number),
        )

    async def _load(self, content_id: str) -> tuple[Item, ItemState]:
        """The item by its records and by the log. Raises Invalid for an unknown one."""
        item, written = await asyncio.gather(
            self.repository.item(content_id),
            item_log.read(EditorialLog(self.bus), content_id),
        )
        if item is None and written.text is None:
            raise Invalid(field_error("content_id", "item_unknown", value=content_id))
        return item or Item(unit=written.text.unit if written.text else ""), written

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

    async def earlier_publications(self, found: PreviewedPublication) -> list[Publication]:
        """The item's positions below that of *found* that are out, oldest first."""
        content_id, number = found.publication.content_id, found.publication.revision
        earlier = sorted(one for one in found.item.released if one < number)
        return [await self.released_publication(content_id, one) for one in earlier]

    async def released_publication(self, content_id: str, number: int) -> Publication:
        position = await self.repository.position(content_id, number)
        seq = position.seq if position else None
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, seq) if seq else None
        if message is None:
            raise _nothing_to_preview(content_id, number)
        return publication.decode(message.data)


def _text_publication(text: EditorialText, item: Item, now: datetime) -> Publication:
    """Build the publication that the approval of *text* would release *now*.

    Raises Invalid for a text that is not finished, or that a newer one has overtaken.
    """
    try:
        content = events.KINDS[text.type].model_validate(text.data)
    except ValidationError as error:
        raise Invalid(*explain(error)) from error
    if not isinstance(content, Submitted):
        raise TypeError(f"{text.type} is no text")
    approved = _as_approved(item, content, now)
    return build_publication(content, approved, text.event_id or text.hash)


def _unreleased_texts(written: ItemState, item: Item) -> Mapping[int, EditorialText]:
    """The texts of the log that are not out, by revision: approved ones, and the newest."""
    newest = {written.revision: written.text} if written.text else {}
    texts = {**newest, **written.approved}
    return {number: text for number, text in texts.items() if number not in item.released}


def _as_approved(item: Item, text: Content, now: datetime) -> Item:
    """Return the item as it will be after the release of a draft."""
    try:
        return items.release(item, text.revision, ItemSummary.of(text), now, text.not_before)
    except Superseded:
        raise _nothing_to_preview(text.content_id, text.revision) from None


def _nothing_to_preview(content_id: str, number: int) -> Invalid:
    key = keys.publication_key(content_id, number)
    return Invalid(field_error("revision", "nothing_to_preview", value=key))
