"""Items as readers have them now, and the issues of bulletins among them, from PUBLICATIONS."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from channels.markdown_text import paragraphs
from consumers.intake.items import Item
from consumers.seals.publications import PublicationSeals
from contracts import publication, subjects
from contracts.bulletins.issue import PublishedIssue
from contracts.bulletins.proposal import WITHDRAWN, ReleasedItem
from contracts.delivery import ChannelName
from contracts.errors import ContractError
from contracts.publication import Publication, StoredPublication
from contracts.text.limits import TextLimit, shorten
from producers.bus import Bus, Message
from producers.bus.records import parse

OpenSeals = Callable[[], Awaitable[PublicationSeals | None]]
_ANY = "*"
_STREAM = subjects.PUBLICATIONS.name
_TEXT_LIMIT = TextLimit(300, 400)
"""Length of the text that is proposed for an item: two or three sentences."""


async def no_seals() -> None:
    """For a bus that Loa has not taken over."""


@dataclass(frozen=True)
class ReleasedItems:
    """Reads the newest positions whose time has come. Each method raises BusError.

    Without seals, what Loa did not release is not told from its own.
    """

    bus: Bus
    open_seals: OpenSeals

    async def of_topics(
        self, topics: Iterable[str], since: datetime, shown_after: datetime, now: datetime
    ) -> dict[str, ReleasedItem]:
        """The items that were released under *topics* since then; no issues of bulletins.

        Each has its newest text, also one under another topic. Those whose every time is up to
        *shown_after* are left out: only what may be new is decoded.
        """
        start = await self.bus.first_seq_since(_STREAM, since)
        newest: dict[str, _Peeked] = {}
        for topic in sorted(topics) if start else ():
            async for message in self._messages(topic, _ANY, start or 1):
                if (one := _peek(message)) and one.shown_at <= now:
                    known = newest.get(one.content_id)
                    if known is None or one.revision > known.revision:
                        newest[one.content_id] = one
        found = [_decode(one.message) for one in newest.values() if one.latest > shown_after]
        items = {one.content_id: _released_item(one) for one in found if one and not one.bulletin}
        revisions = {content_id: one.revision for content_id, one in items.items()}
        return items | await self.of_changed(revisions, now)

    async def of_items(self, content_ids: Iterable[str], now: datetime) -> dict[str, ReleasedItem]:
        """The named items, of any topic."""
        found: dict[str, Publication] = {}
        for content_id in content_ids:
            _keep_newest(found, [one async for one in self._read(_ANY, content_id)], now)
        return {id: _released_item(one) for id, one in found.items()}

    async def of_changed(self, known: Mapping[str, int], now: datetime) -> dict[str, ReleasedItem]:
        """The named items, but for those without a newer position than the known one.

        An item's record has each position before it is released, and many records are one request.
        """
        stored = await self.bus.bucket(subjects.PUBLISHED.name).get_many(sorted(known))
        records = {name: parse(Item, value.data) for name, value in stored.items()}
        unchanged = {name for name, item in records.items() if item and item.latest <= known[name]}
        return await self.of_items(sorted(known.keys() - unchanged), now)

    async def due_issues(
        self, topics: Iterable[str], since: datetime, until: datetime
    ) -> list[StoredPublication]:
        """The newest texts under *topics*, the series' own, whose time came in between."""
        newest: dict[str, _Peeked] = {}
        for topic in topics:
            async for message in self._messages(topic, _ANY):
                if one := _peek(message):
                    newest[one.content_id] = one
        due = [one.message for one in newest.values() if since < one.shown_at <= until]
        found = [(message.seq, _decode(message)) for message in due]
        return [StoredPublication(publication=one, seq=seq) for seq, one in found if one]

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

    async def _read(self, topic: str, content_id: str) -> AsyncIterator[Publication]:
        async for message in self._messages(topic, content_id):
            if one := _decode(message):
                yield one

    async def _messages(
        self, topic: str, content_id: str, start: int = 1
    ) -> AsyncIterator[Message]:
        """What Loa released; `loa check` names the rest."""
        subject = subjects.publication(topic, content_id)
        seals = await self.open_seals()
        async for message in self.bus.scan(_STREAM, subject, start):
            if not (seals and seals.problem(message)):
                yield message


class _Peeked(NamedTuple):
    """A publication by the fields that say whether it is wanted; *latest*: of all its times."""

    content_id: str
    revision: int
    shown_at: datetime
    latest: datetime
    message: Message


def _peek(message: Message) -> _Peeked | None:
    """Read some fields of a publication, in a twentieth of the time that decoding takes."""
    try:
        data = json.loads(message.data)["data"]
        names = ("released_at", "first_released_at", "not_before")
        released, first, wanted = (_time(data.get(name)) for name in names)
        shown_at = max(filter(None, (released, wanted)))
        latest = max(shown_at, first or shown_at)
        return _Peeked(str(data["content_id"]), int(data["revision"]), shown_at, latest, message)
    except (KeyError, TypeError, ValueError):
        return None


def _time(value: Any) -> datetime | None:
    """Raises ValueError for a time without an offset."""
    moment = datetime.fromisoformat(value) if value else None
    if moment and moment.tzinfo is None:
        raise ValueError(value)
    return moment


def _decode(message: Message) -> Publication | None:
    """None for what this version can't read: `loa check` names it."""
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
        language=one.language,
    )
