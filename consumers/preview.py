"""What an item's mail would say: a revision that is out, or one that waits at the desk."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from consumers import items
from consumers.digests.book import Book
from consumers.digests.received import Received
from consumers.drafts import Draft
from consumers.faults import fault
from consumers.items import Card, Item
from consumers.ledger.store import Ledger
from consumers.register import Register
from consumers.release import edition
from contracts import keys, publication, subjects
from contracts.content import Content
from contracts.delivery import ChannelName, PlanKey
from contracts.errors import Invalid
from contracts.publication import Publication
from producers.bus import Bus


@dataclass(frozen=True, slots=True)
class Shown:
    """A publication; `followed`: some readers may have an earlier one of its item.

    `digest`: the last one in which some may have it, if there is one.
    """

    publication: Publication
    state: Literal["waiting", "released"]
    followed: bool
    digest: PlanKey | None = None


@dataclass
class Finder:
    """Reads from the register, the desk and the stream; changes nothing."""

    bus: Bus
    now: datetime

    def __post_init__(self) -> None:
        self.register = Register(self.bus)

    async def find(self, content_id: str, revision: int | None = None) -> Shown:
        """Without *revision*, what waits at the desk comes first, then the newest that is out.

        Raises Invalid when there is no such thing, Conflict for a draft that was changed.
        """
        item = await self.register.item(content_id)
        if item is None:
            raise Invalid(fault("content_id", "item_unknown", value=content_id))
        waiting = [number for number in item.waiting if number not in item.outdated]
        number = revision or max(waiting or item.released, default=0)
        if number in waiting:
            draft = await self.draft(item, content_id, number)
            found = shown(draft, approved(item, draft, self.now), "waiting")
        elif number in item.released:
            found = shown(await self.released(content_id, number), item, "released")
        else:
            raise nothing(content_id, number)
        return replace(found, digest=await self.digest(content_id, number))

    async def digest(self, content_id: str, number: int) -> PlanKey | None:
        """The digest that held the newest of the item's positions below *number*."""
        received = Received(Ledger(self.bus), Book(self.bus))
        digests, _ = await received.earlier(PlanKey(ChannelName.EMAIL, content_id, number))
        return digests[-1].plan if digests else None

    async def draft(self, item: Item, content_id: str, number: int) -> Publication:
        """The draft as its approval would release it at this moment."""
        key = keys.publication_key(content_id, number)
        value = await self.bus.bucket(subjects.DESK.name).get(key)
        if value is None:
            raise nothing(content_id, number)
        draft = Draft.model_validate_json(value.data)
        return edition(draft.text, approved(item, draft.text, self.now), draft.event_id)

    async def released(self, content_id: str, number: int) -> Publication:
        position = await self.register.position(content_id, number)
        seq = position.seq if position else None
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, seq) if seq else None
        if message is None:
            raise nothing(content_id, number)
        return publication.decode(message.data)


def approved(item: Item, text: Content, now: datetime) -> Item:
    """The item as it will be once that draft of it is released."""
    return items.release(item, text.revision, Card.of(text), now, text.not_before)


def shown(found: Publication, item: Item, state: Literal["waiting", "released"]) -> Shown:
    before = (one for one in items.shown(item, found.revision) if one < found.revision)
    return Shown(found, state, any(before))


def nothing(content_id: str, number: int) -> Invalid:
    key = keys.publication_key(content_id, number)
    return Invalid(fault("revision", "nothing_to_preview", value=key))
