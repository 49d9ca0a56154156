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
from producers.imports.draft import Moved, Restless, Twin
from producers.imports.feed import Feed

log = structlog.get_logger()
ASIDE_MAX = 6000
REFUSED_MAX = 200
TWINS_MAX = 100
MOVED_MAX = 1000
PLACES_MAX = 5
"""Of an item that moves at every visit, so many places are remembered."""
RESTLESS_MAX = 50


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
class Held:
    """A state, and the revision that a change has to expect (0: there is none yet)."""

    state: FeedState
    revision: int


class States:
    """The bucket. Every change is a compare-and-set; raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.IMPORTS.name)

    async def get(self, unit: str, feed: Feed) -> Held:
        value = await self.bucket.get(key_of(unit, feed))
        if value is None:
            return Held(FeedState(), 0)
        return Held(state_of(value.data), value.revision)

    async def every(self) -> dict[str, FeedState]:
        """All of them, by key."""
        found = self.bucket.values("")
        return {key: state_of(one.data) async for key, one in found}

    async def claim(self, unit: str, feed: Feed, until: float) -> Held | None:
        """Be the one that reads *feed*, until then at the latest; None: somebody else is."""
        held = await self.get(unit, feed)
        mine = held.state.model_copy(update={"due": until})
        return await self.swap(unit, feed, mine, held.revision)

    async def swap(self, unit: str, feed: Feed, state: FeedState, revision: int) -> Held | None:
        """Write *state* over *revision*; None where somebody was faster."""
        data, key = state.model_dump_json().encode(), key_of(unit, feed)
        try:
            if revision:
                return Held(state, await self.bucket.swap(key, data, revision))
            return Held(state, await self.bucket.create(key, data))
        except nats.Conflict:
            return None

    async def change(self, unit: str, feed: Feed, move: Callable[[FeedState], FeedState]) -> None:
        """Whatever stands there becomes what *move* makes of it."""
        while True:
            held = await self.get(unit, feed)
            if await self.swap(unit, feed, move(held.state), held.revision):
                return

    async def forget(self, unit: str, feed: Feed) -> None:
        await self.bucket.purge(key_of(unit, feed))


def state_of(data: bytes) -> FeedState:
    """What is remembered; what nobody can read is as good as lost."""
    try:
        return FeedState.model_validate_json(data)
    except ValidationError:
        log.warning("import_state_lost")
        return FeedState()


def key_of(unit: str, feed: Feed) -> str:
    return f"{unit}.{feed.feed_id}"
