"""Releasing a position: what was decided becomes one message in PUBLICATIONS, exactly once.

The item's record fixes every byte first; only then is it published, under a message id that
says the same intent. Every step may be repeated after a crash at any point.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from consumers.items import Card, Item, Position
from consumers.register import Held, Register
from contracts import publication, subjects
from contracts.content import Corrected, Submitted
from contracts.crash import crash_point
from contracts.errors import ContractError
from contracts.publication import Publication
from producers.bus import Bus

log = structlog.get_logger()


@dataclass
class Release:
    """The one way into PUBLICATIONS."""

    bus: Bus
    register: Register

    async def positions(self, content_id: str) -> Sequence[int]:
        """The released positions of an item, oldest first."""
        item = await self.register.item(content_id)
        return sorted(item.released) if item else []

    async def text(self, item: Item, text: Submitted, record: Held[Position]) -> Position:
        """Publish a revision that the item counts as released."""
        return await self.publish(record, edition(text, item, record.known.event_id))

    async def withdrawal(self, content_id: str, item: Item, record: Held[Position]) -> Position:
        """Publish a withdrawal that the item counts as released."""
        return await self.publish(record, retraction(content_id, item, record.known))

    async def publish(self, record: Held[Position], released: Publication) -> Position:
        """Publish unless it is known to be there; the record then says where.

        A record that was written just now says that nobody has published before.
        """
        if record.known.seq is not None:
            return record.known
        seq = None if record.fresh else await self.found(released)
        if seq is None:
            crash_point("release.decided")
            seq = await self.store(released)
            crash_point("release.stored")

        def noted(position: Position | None) -> Position:
            return Held(position).known.model_copy(update={"seq": seq})

        number, held = released.revision, record if record.fresh else None
        stored = await self.register.change_position(released.content_id, number, noted, held)
        facts = {"content_id": released.content_id, "revision": number}
        log.info("publication_released", action=released.action, lane=released.lane.value, **facts)
        return stored

    async def store(self, released: Publication) -> int:
        subject = subjects.publication(released.topic, released.content_id)
        ack = await self.bus.publish(subject, publication.encode(released), msg_id=released.key)
        return ack.seq

    async def found(self, released: Publication) -> int | None:
        """Where an earlier attempt stored it; the stream forgets message ids after a while."""
        subject = subjects.publication(released.topic, released.content_id)
        message = await self.bus.last(subjects.PUBLICATIONS.name, subject)
        if message is None or _key(message.data) != released.key:
            return None
        return message.seq


def edition(text: Submitted, item: Item, event_id: str) -> Publication:
    """The publication of a checked text. It is a correction only if readers saw an older one."""
    older = any(position < text.revision for position in item.released)
    corrected = isinstance(text, Corrected) and older
    return Publication.model_validate(
        {
            **text.model_dump(),
            "action": "corrected" if corrected else "published",
            "unit": item.unit,
            "first_released_at": item.first_released_at,
            "released_at": item.released[text.revision],
            "event_id": event_id,
        }
    )


def retraction(content_id: str, item: Item, record: Position) -> Publication:
    """The publication of a withdrawal; its record carries the card of the text it takes back."""
    number = item.position_of(record.event_id)
    return Publication.model_validate(
        {
            **Card.of(record).model_dump(),
            "action": "withdrawn",
            "content_id": content_id,
            "revision": number,
            "unit": item.unit,
            "reason": record.reason,
            "first_released_at": item.first_released_at,
            "released_at": item.released[number],
            "event_id": record.event_id,
        }
    )


def _key(body: bytes) -> str | None:
    try:
        return publication.decode(body).key
    except ContractError:
        return None
