"""Articles imported for a unit, derived from its events in CONTENT.

The event log is the only memory, so no published article can be forgotten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from contracts import events
from contracts.cloudevent import CloudEvent
from contracts.delivery import Lane
from producers.imports.parse.feed_entry import Entry
from producers.imports.parse.similarity import Similarity, TextSignature, compare, text_signature

IMPORT_SOURCE_PREFIX = "/imports/"
FEED_ATTRIBUTE, NAMES_ATTRIBUTE, FINGERPRINT_ATTRIBUTE = "importfeed", "importkeys", "importmark"
"""Extension attributes of an imported event: feed, names, fingerprint."""
_ROUTING_FIELDS = ("topic", "audiences", "channels")
MAX_CHANGES_A_DAY = 3
MAX_SAME_TITLE = 30
"""Limit of compared items with the same title and day: the newest."""


@dataclass(frozen=True, slots=True)
class ImportedArticle:
    """One imported item. `routing`: the topic, audiences and channels of its events."""

    content_id: str
    revision: int = 0
    text_revision: int = 0
    """Revision of its newest imported text; `revision` counts texts by hand, too."""
    fingerprint: str = ""
    feed_id: str = ""
    names: frozenset[str] = frozenset()
    """The names in its newest event; an entry with one of them is this item."""
    routing: dict[str, Any] = field(default_factory=dict)
    is_withdrawn: bool = False
    recent_changes: tuple[datetime, ...] = ()
    """Times of its newest events."""
    signature: TextSignature | None = None
    """Signature of the newest text."""


@dataclass(frozen=True, slots=True)
class Match:
    """The item of an entry, and the certainty of the match.

    `is_by_name`: by a name of its own. Otherwise by title and text: `SAME` or `NEAR`.
    """

    article: ImportedArticle
    is_by_name: bool
    similarity: Similarity = Similarity.SAME


@dataclass
class ImportedArticles:
    """All items imported for one unit, by name and by title.

    `seq`: the last event read. `unconfirmed`: texts that intake may still refuse, by event id, with
    their hash.
    """

    unit: str
    articles: dict[str, ImportedArticle] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)
    by_title: dict[str, list[str]] = field(default_factory=dict)
    unconfirmed: dict[str, str] = field(default_factory=dict)
    seq: int = 0

    def match(self, entry: Entry, aliases: Mapping[str, str] = {}) -> Match | None:
        """The item of *entry*. *aliases* are names outside the events: name → item."""
        if owners := self.owners(entry, aliases):
            return Match(self.articles[owners[0]], is_by_name=True)
        return self.match_by_title(entry)

    def owners(self, entry: Entry, aliases: Mapping[str, str] = {}) -> list[str]:
        """The items that the entry's names belong to, the surest name first."""
        owners = (self.by_name.get(name) or aliases.get(name) for name in entry.names)
        return [owner for owner in owners if owner]

    def match_by_title(self, entry: Entry) -> Match | None:
        """The item of the same title and day with the most similar text."""
        ids = (
            id for key in entry.title_keys for id in self.by_title.get(key, [])[-MAX_SAME_TITLE:]
        )
        articles = (self.articles[id] for id in dict.fromkeys(ids))
        matches = (
            Match(article, False, compare(article.signature, entry.signature))
            for article in articles
            if article.signature
        )
        best = max(matches, key=lambda match: match.similarity, default=None)
        return best if best and best.similarity else None

    def concerns(self, event: CloudEvent) -> bool:
        """Whether the event is of an imported item, from any sender."""
        return self.is_own_event(event) or str(event.data.get("content_id")) in self.articles

    def is_own_event(self, event: CloudEvent) -> bool:
        """Whether the import sent the event."""
        source = f"{IMPORT_SOURCE_PREFIX}{self.unit}"
        return event.source == source and NAMES_ATTRIBUTE in event.extensions

    def is_own_next_text(self, event: CloudEvent) -> bool:
        """Whether a valid event is the import's own next text, and not urgent.

        Intake can refuse only events of other senders, late revisions, lanes without permission,
        and reused ids; such events need a look at their record.
        """
        if event.type == events.WITHDRAWN or event.data.get("lane") == Lane.URGENT:
            return False
        content_id, revision = event.data["content_id"], event.data["revision"]
        article = self.articles.get(content_id)
        newest = article.revision if article else 0
        is_own_id = event.id == import_event_id(content_id, revision)
        return self.is_own_event(event) and is_own_id and revision > newest

    def add_event(self, event: CloudEvent, at: datetime) -> None:
        """Update the item by a valid event."""
        content_id = event.data["content_id"]
        article = self.articles.get(content_id) or ImportedArticle(content_id)
        if event.type == events.WITHDRAWN:
            self.articles[content_id] = replace(article, is_withdrawn=True)
            return
        article = replace(article, revision=max(article.revision, event.data["revision"]))
        self.articles[content_id] = (
            self.with_own_event(article, event, at) if self.is_own_event(event) else article
        )

    def with_own_event(
        self, article: ImportedArticle, event: CloudEvent, at: datetime
    ) -> ImportedArticle:
        """The article after one of the import's own events."""
        keys = str(event.extensions[NAMES_ATTRIBUTE]).split()
        self.index_names(keys, article.content_id)
        return replace(
            article,
            text_revision=event.data["revision"],
            fingerprint=str(event.extensions.get(FINGERPRINT_ATTRIBUTE, "")),
            feed_id=str(event.extensions.get(FEED_ATTRIBUTE, "")),
            names=frozenset(key for key in keys if not _is_title_key(key)),
            routing={name: event.data[name] for name in _ROUTING_FIELDS if name in event.data},
            recent_changes=(*article.recent_changes, at)[-MAX_CHANGES_A_DAY:],
            signature=_event_signature(event),
        )

    def index_names(self, keys: Iterable[str], content_id: str) -> None:
        """Index the names: a name belongs to the first item, a title to all, the newest last."""
        for key in keys:
            if _is_title_key(key):
                others = (other for other in self.by_title.get(key, ()) if other != content_id)
                self.by_title[key] = [*others, content_id]
            else:
                self.by_name.setdefault(key, content_id)


def import_event_id(content_id: str, revision: int) -> str:
    """The id of an import's event."""
    return f"{content_id}.{revision}"


def _is_title_key(key: str) -> bool:
    """Whether the key is made from a title, which several items may share."""
    return key.startswith("t.")


def _event_signature(event: CloudEvent) -> TextSignature:
    """Signature of an event's text, comparable with `Entry.signature`."""
    content = f"{event.data.get('summary', '')}\n{event.data.get('body', '')}"
    files = (attachment["title"] for attachment in event.data.get("attachments") or ())
    return text_signature(content, files, event.time)
