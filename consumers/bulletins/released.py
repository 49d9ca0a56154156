"""Items as readers have them now, from PUBLICATIONS."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from channels.markdown_text import paragraphs
from consumers.bulletins.publications import (
    ANY,
    STREAM,
    OpenSeals,
    PeekedPublication,
    PublicationReader,
    decode,
    peek,
)
from consumers.intake.items import Item
from contracts import subjects
from contracts.bulletins.proposal import ReleasedItem, is_gathered
from contracts.bulletins.series import Series
from contracts.delivery import ChannelName
from contracts.publication import Publication
from contracts.text.limits import TextLimit, shorten
from producers.bus import Bus
from producers.bus.records import parse

_TEXT_LIMIT = TextLimit(300, 400)
"""Length of the text that is proposed for an item: two or three sentences."""


@dataclass(frozen=True)
class ReleasedItems:
    """Reads the newest positions whose time has come. Each method raises BusError.

    Without seals, foreign publications are not told from Loa's own.
    """

    bus: Bus
    open_seals: OpenSeals

    @property
    def publications(self) -> PublicationReader:
        return PublicationReader(self.bus, self.open_seals)

    async def of_topics(
        self, topics: Iterable[str], since: datetime, shown_after: datetime, now: datetime
    ) -> dict[str, ReleasedItem]:
        """The items that were released under *topics* since then; no issues of bulletins.

        Each has its newest text, also one under another topic. Those whose every time is up to
        *shown_after* are left out: only what may be new is decoded.
        """
        start = await self.bus.first_seq_since(STREAM, since)
        newest: dict[str, PeekedPublication] = {}
        for topic in sorted(topics) if start else ():
            async for message in self.publications.messages(topic, ANY, start or 1):
                if (one := peek(message)) and one.shown_at <= now:
                    known = newest.get(one.content_id)
                    if known is None or one.revision > known.revision:
                        newest[one.content_id] = one
        found = [decode(one.message) for one in newest.values() if one.latest > shown_after]
        items = {one.content_id: _released_item(one) for one in found if one and not one.bulletin}
        revisions = {content_id: one.revision for content_id, one in items.items()}
        return items | await self.of_changed(revisions, now)

    async def of_items(self, content_ids: Iterable[str], now: datetime) -> dict[str, ReleasedItem]:
        """The named items, of any topic."""
        found: dict[str, Publication] = {}
        for content_id in content_ids:
            _keep_newest(found, [one async for one in self.publications.read(ANY, content_id)], now)
        return {id: _released_item(one) for id, one in found.items()}

    async def first_gathered(self, content_id: str, series: Series) -> datetime | None:
        """When readers first had a text of the item that the series gathers; None for never."""
        texts = [one async for one in self.publications.read(ANY, content_id)]
        times = [one.shown_at for one in texts if is_gathered(_released_item(one), series)]
        return min(times, default=None)

    async def same_texts(self, told: Mapping[str, int], now: datetime) -> list[str]:
        """The named items whose newest text says the same as the named revision did."""
        found = list[str]()
        for content_id, revision in told.items():
            positions = {
                one.revision: (one.language, one.summary, one.body)
                async for one in self.publications.read(ANY, content_id)
                if one.shown_at <= now
            }
            if positions and positions.get(revision) == positions[max(positions)]:
                found.append(content_id)
        return found

    async def of_changed(self, known: Mapping[str, int], now: datetime) -> dict[str, ReleasedItem]:
        """The named items, but for those without a newer position than the known one.

        An item's record has each position before it is released, and many records are one request.
        """
        stored = await self.bus.bucket(subjects.PUBLISHED.name).get_many(sorted(known))
        records = {name: parse(Item, value.data) for name, value in stored.items()}
        unchanged = {name for name, item in records.items() if item and item.latest <= known[name]}
        return await self.of_items(sorted(known.keys() - unchanged), now)


def _keep_newest(found: dict[str, Publication], read: Iterable[Publication], now: datetime) -> None:
    for one in read:
        known = found.get(one.content_id)
        is_newer = known is None or one.revision > known.revision
        if is_newer and one.shown_at <= now:
            found[one.content_id] = one


def _released_item(one: Publication) -> ReleasedItem:
    """A publication as an issue may tell of it."""
    blocks = [] if one.summary else paragraphs(one.body)
    return ReleasedItem(
        content_id=one.content_id,
        revision=one.revision,
        topic=one.topic,
        title=one.title,
        text=shorten(one.summary or next(iter(blocks), ""), _TEXT_LIMIT),
        action=one.action,
        first_shown_at=one.first_shown_at,
        reason=" ".join(one.reason.split()),
        has_page=ChannelName.PORTAL in one.channels,
        expires_at=one.expires_at,
        language=one.language,
    )
