"""State of each feed between two visits: bucket `imports`, key `<unit>.<feed_id>`.

Losing it causes one full read and no duplicate events.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from pydantic import AwareDatetime, Field, ValidationError

from contracts import subjects
from contracts.errors import FieldError
from contracts.records import Record
from producers import bus as nats
from producers.bus import Bus
from producers.bus.records import Versioned, write
from producers.imports.parse.feed_entry import Entry, UnreadableEntry
from producers.units.feed_settings import Feed

log = structlog.get_logger()
MAX_SET_ASIDE = 6000
MAX_REFUSALS = 200
MAX_TWINS = 100
MAX_MOVED = 1000
MAX_PLACES_PER_ITEM = 5
"""Limit of former addresses per item."""
MAX_RESTLESS = 50


class Refusal(Record):
    """An item that the contract refused; tried again when the site changes it."""

    key: str
    """`<content_id> <fingerprint>`"""
    title: str
    url: str
    at: AwareDatetime
    errors: tuple[FieldError, ...]


def new_refusal(
    key: str, entry: Entry | UnreadableEntry, at: datetime, errors: Sequence[FieldError]
) -> Refusal:
    title, url = entry.title[:200], entry.url[:2048]
    return Refusal(key=key, title=title, url=url, at=at, errors=tuple(errors))


class DuplicateEntry(Record):
    """An entry set aside because an item with the same title has the same text."""

    key: str
    title: str
    url: str
    of: str
    """The content_id of the item."""


class MovedItem(Record):
    """An unchanged item found under other names: `names` are the new ones.

    The move is valid while the newest text has the fingerprint `mark` and the number `revision`;
    the names stay the item's.
    """

    of: str
    mark: str
    names: tuple[str, ...]
    revision: int | None = None
    """None in older records: `mark` decides alone."""


class ThrottledItem(Record):
    """An item that changes too often; its newest text waits until `until`."""

    title: str
    url: str
    until: AwareDatetime


class FeedState(Record):
    """State of one feed after its last visit. Times are seconds since the epoch."""

    due: float = 0.0
    closed_until: float = 0.0
    """Until when the site asked for no requests."""
    visited: float = 0.0
    read: float = 0.0
    """Time of the last successful read; 0: never."""
    etag: str = ""
    modified: str = ""
    moved_to: str = ""
    title: str = ""
    failures: int = 0
    stopped: bool = False
    """The feed has ended (HTTP 410); only `loa import now` requests it again."""
    trouble: FieldError | None = None
    feeds: tuple[str, ...] = ()
    """Feeds named by the site, if the address is a web page."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Counts of the last reading."""
    held: tuple[str, ...] = ()
    """Titles of held items, which wait for an operator."""
    aside: tuple[str, ...] = ()
    twins: tuple[DuplicateEntry, ...] = ()
    """Entries in the feed that were set aside as duplicates by title and text alone."""
    moved: tuple[MovedItem, ...] = ()
    """Items under other names than in their newest event."""
    restless: tuple[ThrottledItem, ...] = ()
    refused: tuple[Refusal, ...] = ()


class FeedStateStore:
    """Bucket `imports`. Every write is a compare-and-set; raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.IMPORTS.name)

    async def get(self, unit: str, feed: Feed) -> Versioned[FeedState]:
        value = await self.bucket.get(state_key(unit, feed))
        if value is None:
            return Versioned(FeedState())
        return Versioned(_parse_state(value.data), value.revision)

    async def read_all(self) -> dict[str, FeedState]:
        """All states by key."""
        values = self.bucket.values("")
        return {key: _parse_state(value.data) async for key, value in values}

    async def claim(self, unit: str, feed: Feed, until: float) -> Versioned[FeedState] | None:
        """Claim *feed* until *until*; None if another process has claimed it."""
        current = await self.get(unit, feed)
        claimed = current.value.model_copy(update={"due": until})
        return await self.swap(unit, feed, claimed, current.revision)

    async def swap(
        self, unit: str, feed: Feed, state: FeedState, revision: int
    ) -> Versioned[FeedState] | None:
        """Replace *revision* by *state*; None if another process was faster."""
        try:
            return await write(self.bucket, state_key(unit, feed), state, revision)
        except nats.RevisionConflict:
            return None

    async def update(self, unit: str, feed: Feed, move: Callable[[FeedState], FeedState]) -> None:
        """Replace the state by `move(state)`, until the write succeeds."""
        while True:
            current = await self.get(unit, feed)
            if await self.swap(unit, feed, move(current.value), current.revision):
                return

    async def forget(self, unit: str, feed: Feed) -> None:
        await self.bucket.purge(state_key(unit, feed))


def _parse_state(data: bytes) -> FeedState:
    """The stored state; an unreadable one counts as lost."""
    try:
        return FeedState.model_validate_json(data)
    except ValidationError:
        log.warning("import_state_lost")
        return FeedState()


def state_key(unit: str, feed: Feed) -> str:
    return f"{unit}.{feed.feed_id}"
