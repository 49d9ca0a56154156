"""A reading of a feed, and what is planned about it: the words that the import thinks in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from contracts.delivery import ChannelName, Lane
from contracts.records import Record
from producers.imports.imported import ImportedArticle
from producers.imports.parse.entry import Entry
from producers.units.feed_settings import Feed

PORTAL_ONLY = (ChannelName.PORTAL,)

DraftReason = Literal["new", "backfilled", "changed"]


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is to be made: this entry, as this revision of the item."""

    content_id: str
    revision: int
    entry: Entry
    reason: DraftReason
    channels: tuple[str, ...]
    corrects: ImportedArticle | None = None
    """What it corrects; None for a new item."""
    lane: Lane = Lane.NORMAL

    @property
    def refusal_key(self) -> str:
        """What is remembered if the contract refuses it."""
        return f"{self.content_id} {self.entry.fingerprint}"

    @property
    def is_portal_only(self) -> bool:
        """Whether it reaches the portal alone."""
        return self.channels == PORTAL_ONLY


class Twin(Record):
    """An entry that was set aside because an item with its title says the same."""

    key: str
    title: str
    url: str
    of: str
    """The content_id of that item."""


class Moved(Record):
    """An item that stands elsewhere by now and says what it said: `names` are its names there.

    It stands there for as long as the item's newest text has the fingerprint `mark`; the names stay
    its own.
    """

    of: str
    mark: str
    names: tuple[str, ...]


class Restless(Record):
    """An item that the site changes so often that the newest text waits until `until`."""

    title: str
    url: str
    until: AwareDatetime


@dataclass
class Plan:
    """`drafts` in the order in which they are to go, oldest first."""

    drafts: list[Draft] = field(default_factory=list)
    held: list[Draft] = field(default_factory=list)
    """Too many at once: they wait until somebody has looked."""
    counts: Counter[str] = field(default_factory=Counter)
    """unchanged, moved, duplicate, old, withdrawn, restless, held, refused."""
    refused: set[str] = field(default_factory=set)
    """What stands refused, and is still in the feed as it was."""
    set_aside: set[str] = field(default_factory=set)
    """Keys of entries that are never taken up: old ones, and second addresses of others."""
    twins: dict[str, Twin] = field(default_factory=dict)
    """Of those, by key, the ones that are in the feed and bear no name of the other."""
    moved: list[Moved] = field(default_factory=list)
    """What was found at a new address, and nobody is told of."""
    restless: list[Restless] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """One reading of one feed, and what is remembered of earlier ones."""

    feed: Feed
    entries: Sequence[Entry]
    now: datetime
    is_first: bool = False
    """Nothing was ever read there before: what has no date lay there already."""
    set_aside: frozenset[str] = frozenset()
    twins: Mapping[str, Twin] = field(default_factory=dict)
    moved: Sequence[Moved] = ()
    refused: frozenset[str] = frozenset()
    """`<content_id> <mark>` of what the contract has refused."""
    feeds: frozenset[str] = frozenset()
    """All feeds of the unit: an item follows the one that brought it for as long as it is read."""
    release_held: bool = False
    """Somebody has looked: nothing is held."""
