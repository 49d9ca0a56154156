"""Models of planning: a reading, a draft, a plan."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from contracts.delivery import ChannelName, Lane
from contracts.records import Record
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
        """Whether its only channel is the portal."""
        return self.channels == PORTAL_ONLY


class Twin(Record):
    """An entry set aside because an item with the same title has the same text."""

    key: str
    title: str
    url: str
    of: str
    """The content_id of the item."""


class Moved(Record):
    """An unchanged item found under other names: `names` are the new ones.

    The move is valid while the newest text has the fingerprint `mark`; the names stay the item's.
    """

    of: str
    mark: str
    names: tuple[str, ...]


class Restless(Record):
    """An item that changes too often; its newest text waits until `until`."""

    title: str
    url: str
    until: AwareDatetime


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
    twins: dict[str, Twin] = field(default_factory=dict)
    """Of these, by key, duplicates by title and text alone."""
    moved: list[Moved] = field(default_factory=list)
    """Items found at a new address; no event follows."""
    restless: list[Restless] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """One reading of one feed, with the state of earlier ones."""

    feed: Feed
    entries: Sequence[Entry]
    now: datetime
    is_first: bool = False
    """The first reading: entries without a date count as old."""
    set_aside: frozenset[str] = frozenset()
    twins: Mapping[str, Twin] = field(default_factory=dict)
    moved: Sequence[Moved] = ()
    refused: frozenset[str] = frozenset()
    """Refusal keys of drafts that the contract refused."""
    feeds: frozenset[str] = frozenset()
    """All feeds of the unit: an item stays with the feed that brought it while that feed exists."""
    release_held: bool = False
    """An operator releases held drafts."""
