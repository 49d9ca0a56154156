"""Items as readers have them now, and the issues of bulletins among them, from PUBLICATIONS."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from channels.markdown_text import paragraphs
from consumers.seals.publications import PublicationSeals
from contracts import publication, subjects
from contracts.bulletins.issue import PublishedIssue
from contracts.bulletins.proposal import WITHDRAWN, ReleasedItem
from contracts.delivery import ChannelName
from contracts.errors import ContractError
from contracts.publication import Publication
from contracts.text.limits import TextLimit, shorten
from producers.bus import Bus, Message

OpenSeals = Callable[[], Awaitable[PublicationSeals | None]]
_ANY = "*"
_STREAM = subjects.PUBLICATIONS.name
_TEXT_LIMIT = TextLimit(300, 400)
"""Of what is proposed to say of an item: two or three sentences."""


@dataclass(frozen=True)
class ReleasedItems:
    """Reads the newest positions whose time has come. Each method raises BusError.

    Without seals, what Loa did not release is not told from its own.
    """

    bus: Bus
    open_seals: OpenSeals

    async def of_topics(
        self, topics: Iterable[str], since: datetime, now: datetime
    ) -> dict[str, ReleasedItem]:
        """The items that were released under *topics* since then; no issues of bulletins."""
        start = await self.bus.first_seq_since(_STREAM, since)
        found: dict[str, Publication] = {}
        for topic in sorted(topics) if start else ():
            _keep_newest(found, [one async for one in self._read(topic, _ANY, start or 1)], now)
        return {id: _released_item(one) for id, one in found.items() if one.bulletin is None}

    async def of_items(self, content_ids: Iterable[str], now: datetime) -> dict[str, ReleasedItem]:
        """The named items, of any topic."""
        found: dict[str, Publication] = {}
        for content_id in content_ids:
            _keep_newest(found, [one async for one in self._read(_ANY, content_id)], now)
        return {id: _released_item(one) for id, one in found.items()}

    async def issues(self, topic: str, series: str) -> list[PublishedIssue]:
        """The issues that went out, in their order; one that waits for its time is among them."""
        found: dict[str, PublishedIssue] = {}
        async for one in self._read(topic, _ANY):
            known = found.get(one.content_id)
            if one.bulletin and one.bulletin.series == series:
                found[one.content_id] = PublishedIssue(one.content_id, one.bulletin)
            elif known and one.action == WITHDRAWN:
                found[one.content_id] = known._replace(is_out=False)
        return sorted(found.values(), key=lambda one: one.issue.order)

    async def _read(
        self, topic: str, content_id: str, start: int = 1
    ) -> AsyncIterator[Publication]:
        subject = subjects.publication(topic, content_id)
        seals = await self.open_seals()
        async for message in self.bus.scan(_STREAM, subject, start):
            if one := _decode(message, seals):
                yield one


def _decode(message: Message, seals: PublicationSeals | None) -> Publication | None:
    """None for what Loa did not release, or what this version can't read: `loa check` names it."""
    if seals and seals.problem(message):
        return None
    try:
        return publication.decode(message.data)
    except ContractError:
        return None


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
    )
