"""Release a position as one message in PUBLICATIONS, exactly once.

The item's record fixes every byte first. Only then is the message published, under an id that
names the same intent. Every step may be repeated after a crash at any point.
"""

from collections.abc import Mapping
from datetime import datetime

import structlog

from consumers.intake import items
from consumers.intake.items import Item, ItemSummary, Position
from consumers.intake.repository import ItemRepository
from consumers.seals.publications import PublicationSeals
from contracts import publication, subjects
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from contracts.base.seals import SEAL_HEADER
from contracts.content import Corrected, Submitted
from contracts.errors import ContractError
from contracts.publication import Publication, StoredPublication, encode
from producers.bus import Bus, Message
from producers.bus.records import Versioned, require

log = structlog.get_logger()
_OWN_ID_LENGTH = 16
_NO_TRACE: Mapping[str, str] = {}


class Releaser:
    """The only writer of PUBLICATIONS. Without *seals*, dispatch refuses what it publishes."""

    def __init__(self, bus: Bus, seals: PublicationSeals | None = None) -> None:
        self.bus = bus
        self.seals = seals
        self.repository = ItemRepository(bus)

    async def publish_once(
        self,
        record: Versioned[Position],
        released: Publication,
        trace: Mapping[str, str] = _NO_TRACE,
    ) -> Position:
        """Publish unless the stream has the message; then record its sequence.

        The stream may have it although the record is new: a backup holds records from before the
        publications. A stored publication keeps its release time.
        """
        if record.value.seq is not None:
            return record.value
        found = await self.find_stored(released)
        if found is None:
            crash_point("release.decided")
            seq = await self.store_traced(released, trace)
            found = StoredPublication(publication=released, seq=seq)
            crash_point("release.stored")
        elif found.publication.released_at != released.released_at:
            await self.adopt_release_time(released, found.publication.released_at)
        update = {"seq": found.seq, "released_at": found.publication.released_at}
        number, held = released.revision, record if record.just_written else None
        stored = await self.repository.update_position(
            released.content_id, number, lambda now: require(now).model_copy(update=update), held
        )
        facts = {"content_id": released.content_id, "revision": number}
        log.info("publication_released", action=released.action, lane=released.lane.value, **facts)
        return stored

    async def store_traced(self, released: Publication, trace: Mapping[str, str]) -> int:
        """As `store`, in the current trace or in *trace*, which a draft had when it came."""
        facts: tracing.Attributes = {
            "loa.content_id": released.content_id,
            "loa.revision": released.revision,
        }
        with tracing.continued(tracing.carrier(), trace), tracing.span(tracing.RELEASE, facts):
            return await self.store(released, tracing.carrier() or trace)

    async def store(self, released: Publication, trace: Mapping[str, str] = _NO_TRACE) -> int:
        """Publish, and return the sequence. A foreign message may have used the id before."""
        subject, body = subjects.publication(released.topic, released.content_id), encode(released)
        seal = self.seals.headers(subject, body) if self.seals else {}
        headers = {**seal, **trace}
        ack = await self.bus.publish(subject, body, headers=headers, msg_id=released.key)
        if ack.duplicate and seal and not await self.is_stored_at(ack.seq, released):
            log.error("publication_id_taken", seq=ack.seq, content_id=released.content_id)
            own_id = f"{released.key}.{seal[SEAL_HEADER][-_OWN_ID_LENGTH:]}"
            ack = await self.bus.publish(subject, body, headers=headers, msg_id=own_id)
        return ack.seq

    async def is_stored_at(self, seq: int, released: Publication) -> bool:
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, seq)
        return message is not None and self.match(message, released) is not None

    async def find_stored(self, released: Publication) -> StoredPublication | None:
        """Find the publication of an earlier attempt; the stream forgets message ids after a while.

        Usually it is the item's latest. After a restore, later ones may follow it.
        """
        stream = subjects.PUBLICATIONS.name
        subject = subjects.publication(released.topic, released.content_id)
        latest = await self.bus.last_message(stream, subject)
        if latest is None:
            return None
        if stored := self.match(latest, released):
            return stored
        async for message in self.bus.scan(stream, subject):
            if stored := self.match(message, released):
                return stored
        return None

    def match(self, message: Message, released: Publication) -> StoredPublication | None:
        """The stored form of *released*, unless *message* is another one, or not of Loa."""
        if self.seals and self.seals.problem(message):
            return None
        try:
            found = publication.decode(message.data)
        except ContractError:
            return None
        is_proven = self.seals is None or self.seals.is_sealed(message)
        same = found.key == released.key if is_proven else _says_the_same(found, released)
        return StoredPublication(publication=found, seq=message.seq) if same else None

    async def adopt_release_time(self, released: Publication, at: datetime) -> None:
        number, start = released.revision, released.not_before
        await self.repository.update_item(
            released.content_id,
            lambda item: items.record_release_time(require(item), number, at, start),
        )


def build_publication(text: Submitted, item: Item, event_id: str) -> Publication:
    """Build a text's publication: a correction only if readers may have seen an older revision."""
    seen = items.visible_revisions(item, text.revision)
    corrected = text.reason if isinstance(text, Corrected) and len(seen) > 1 else None
    return Publication.model_validate(
        {
            **text.model_dump(),
            "action": "published" if corrected is None else "corrected",
            "reason": corrected or "",
            "unit": item.unit,
            "first_released_at": item.visible_from(seen[0]),
            "released_at": item.released[text.revision],
            "event_id": event_id,
        }
    )


def build_withdrawal(content_id: str, item: Item, record: Position) -> Publication:
    """Build a withdrawal's publication from its record, which has the withdrawn text's summary."""
    number = item.position_of(record.event_id)
    seen = items.visible_revisions(item, number)
    return Publication.model_validate(
        {
            **ItemSummary.of(record).model_dump(),
            "action": "withdrawn",
            "content_id": content_id,
            "revision": number,
            "unit": item.unit,
            "reason": record.reason,
            "first_released_at": item.visible_from(seen[0] if seen else number),
            "released_at": item.released[number],
            "event_id": record.event_id,
        }
    )


def _says_the_same(found: Publication, released: Publication) -> bool:
    """Whether they differ in the time of the release at most."""
    times = {"released_at": released.released_at, "first_released_at": released.first_released_at}
    return found.model_copy(update=times) == released
