"""Models of planning: a reading, a draft, a plan."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from contracts.delivery import ChannelName, Lane
from producers.imports.feed_state import DuplicateEntry, FeedState, MovedItem, ThrottledItem
from producers.imports.imported_articles import ImportedArticle
from producers.imports.parse.feed_entry import Entry
from producers.units.feed_settings import Feed

PORTAL_ONLY = (ChannelName.PORTAL,)

DraftReason = Literal["new", "backfilled", "changed"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A planned event: an entry as a revision of an item."""

    content_id: str
    revision: int
    entry: Entry
    reason: DraftReason
    channels: tuple[str, ...]
    corrects: ImportedArticle | None = None
    """The article it corrects; None for a new item."""
    lane: Lane = Lane.NORMAL

    @property
    def refusal_key(self) -> str:
        """Key of the refusal, if the contract refuses the draft."""
        return f"{self.content_id} {self.entry.fingerprint}"

    @property
    def is_portal_only(self) -> bool:
        return self.channels == PORTAL_ONLY


@dataclass
class Plan:
    """The result of planning; `drafts` in sending order, oldest first."""

    drafts: list[Draft] = field(default_factory=list)
    held: list[Draft] = field(default_factory=list)
    """Drafts above the limit, held for an operator."""
    counts: Counter[str] = field(default_factory=Counter)
    """unchanged, moved, duplicate, old, withdrawn, restless, held, refused."""
    refused: set[str] = field(default_factory=set)
    """Keys of refusals whose entries are still in the feed unchanged."""
    set_aside: set[str] = field(default_factory=set)
    """Keys of entries never imported: older ones, and second addresses of others."""
    twins: dict[str, DuplicateEntry] = field(default_factory=dict)
    """Of these, by key, duplicates by title and text alone."""
    moved: list[MovedItem] = field(default_factory=list)
    """Items found at a new address; no event follows."""
    restless: list[ThrottledItem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ManualVisit:
    """A visit that an operator started; it tries refused drafts again."""

    release_held: bool = False
    """Send held items, too."""


@dataclass(frozen=True)
class Reading:
    """One reading of one feed, with the state of earlier ones."""

    feed: Feed
    entries: Sequence[Entry]
    now: datetime
    state: FeedState = field(default_factory=FeedState)
    feeds: frozenset[str] = frozenset()
    """All feeds of the unit: an item stays with the feed that brought it while that feed exists."""
    manual: ManualVisit | None = None
