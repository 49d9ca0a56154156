"""What is remembered of each feed between two visits: bucket `imports`, `<unit>.<feed_id>`.

It may be lost: then a feed is read in full once more, and nothing is published twice.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from pydantic import AwareDatetime, Field, ValidationError

from contracts import subjects
from contracts.errors import FieldError
from contracts.records import Record
from producers import bus as nats
from producers.bus import Bus
from producers.imports.planned import Moved, Restless, Twin
from producers.units.feed_settings import Feed

log = structlog.get_logger()
MAX_SET_ASIDE = 6000
MAX_REFUSALS = 200
MAX_TWINS = 100
MAX_MOVED = 1000
MAX_PLACES_PER_ITEM = 5
"""Of an item that moves at every visit, so many places are remembered."""
MAX_RESTLESS = 50


class Refusal(Record):
    """An item that the contract refuses, and why. It is tried again once the site changes it."""

    key: str
    """`<content_id> <fingerprint>`"""
    title: str
    url: str
    at: AwareDatetime
    errors: tuple[FieldError, ...]


class FeedState(Record):
    """One feed as it was when it was last read. Times are seconds since the epoch."""

    due: float = 0.0
    closed_until: float = 0.0
    """The site has asked for so long to be left alone, and is."""
    visited: float = 0.0
    read: float = 0.0
    """When it was last read without trouble; 0: never."""
    etag: str = ""
    modified: str = ""
    moved_to: str = ""
    title: str = ""
    failures: int = 0
    stopped: bool = False
    """It is over there (HTTP 410); only `loa import now` asks again."""
    trouble: FieldError | None = None
    feeds: tuple[str, ...] = ()
    """Where the site's feeds are, if a page was found that says so."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Of the last reading."""
    held: tuple[str, ...] = ()
    """Titles of what waits for somebody to look."""
    aside: tuple[str, ...] = ()
    twins: tuple[Twin, ...] = ()
    """What of it is listed, and was set aside for its title and text alone."""
    moved: tuple[Moved, ...] = ()
    """What stands under other names than its newest event says."""
    restless: tuple[Restless, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionedState:
    """A state, and the revision that a change has to expect (0: there is none yet)."""

    state: FeedState
    revision: int


class FeedStateStore:
    """The bucket. Every change is a compare-and-set; raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.IMPORTS.name)

    async def get(self, unit: str, feed: Feed) -> VersionedState:
        value = await self.bucket.get(state_key(unit, feed))
        if value is None:
            return VersionedState(FeedState(), 0)
        return VersionedState(parse_state(value.data), value.revision)

    async def read_all(self) -> dict[str, FeedState]:
        """All of them, by key."""
        found = self.bucket.values("")
        return {key: parse_state(one.data) async for key, one in found}

    async def claim(self, unit: str, feed: Feed, until: float) -> VersionedState | None:
        """Be the one that reads *feed*, until then at the latest; None: somebody else is."""
        held = await self.get(unit, feed)
        mine = held.state.model_copy(update={"due": until})
        return await self.swap(unit, feed, mine, held.revision)

    async def swap(
        self, unit: str, feed: Feed, state: FeedState, revision: int
    ) -> VersionedState | None:
        """Write *state* over *revision*; None where somebody was faster."""
        data, key = state.model_dump_json().encode(), state_key(unit, feed)
        try:
            if revision:
                return VersionedState(state, await self.bucket.swap(key, data, revision))
            return VersionedState(state, await self.bucket.create(key, data))
        except nats.RevisionConflict:
            return None

    async def update(
        self, unit: str, feed: Feed, transition: Callable[[FeedState], FeedState]
    ) -> None:
        """Whatever stands there becomes what *move* makes of it."""
        while True:
            held = await self.get(unit, feed)
            if await self.swap(unit, feed, transition(held.state), held.revision):
                return

    async def forget(self, unit: str, feed: Feed) -> None:
        await self.bucket.purge(state_key(unit, feed))


def parse_state(data: bytes) -> FeedState:
    """What is remembered; what nobody can read is as good as lost."""
    try:
        return FeedState.model_validate_json(data)
    except ValidationError:
        log.warning("import_state_lost")
        return FeedState()


def state_key(unit: str, feed: Feed) -> str:
    return f"{unit}.{feed.feed_id}"
