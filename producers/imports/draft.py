"""A reading of a feed, and what is planned about it: the words that the import thinks in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from contracts.delivery import ChannelName
from contracts.records import Record
from producers.imports.entry import Entry
from producers.imports.feed import Feed
from producers.imports.known import Story

PORTAL = (ChannelName.PORTAL,)

Why = Literal["new", "old", "changed"]


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is to be made: this entry, as this revision of the item."""

    content_id: str
    revision: int
    entry: Entry
    why: Why
    channels: tuple[str, ...]
    story: Story | None = None
    """What it corrects; None for a new item."""

    @property
    def refusal(self) -> str:
        """What is remembered if the contract refuses it."""
        return f"{self.content_id} {self.entry.mark}"

    @property
    def quiet(self) -> bool:
        """Whether it reaches the portal alone."""
        return self.channels == PORTAL


class Twin(Record):
    """An entry that was set aside because an item with its title says the same."""

    key: str
    title: str
    url: str
    of: str
    """The content_id of that item."""


@dataclass
class Plan:
    """`drafts` in the order in which they are to go, oldest first."""

    drafts: list[Draft] = field(default_factory=list)
    held: list[Draft] = field(default_factory=list)
    """Too many at once: they wait until somebody has looked."""
    counts: Counter[str] = field(default_factory=Counter)
    """unchanged, duplicate, old, withdrawn, restless, held, refused."""
    refused: set[str] = field(default_factory=set)
    """What stands refused, and is still in the feed as it was."""
    aside: set[str] = field(default_factory=set)
    """Keys of entries that are never taken up: old ones, and second addresses of others."""
    twins: dict[str, Twin] = field(default_factory=dict)
    """Of those, by key, the ones that are in the feed and bear no name of the other."""


@dataclass(frozen=True)
class Reading:
    """One reading of one feed, and what is remembered of earlier ones."""

    feed: Feed
    entries: Sequence[Entry]
    now: datetime
    first: bool = False
    """Nothing was ever read there before: what has no date lay there already."""
    aside: frozenset[str] = frozenset()
    twins: Mapping[str, Twin] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    """`<content_id> <mark>` of what the contract has refused."""
    feeds: frozenset[str] = frozenset()
    """All feeds of the unit: an item follows the one that brought it for as long as it is read."""
    released: bool = False
    """Somebody has looked: nothing is held."""
