"""What has been imported for a unit already, as its events in CONTENT tell it.

The log is the memory: nothing else has to be kept, and nothing that was published can be forgotten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from contracts import events
from contracts.cloudevent import CloudEvent
from contracts.delivery import Lane
from producers.imports.entry import Entry
from producers.imports.likeness import Gist, Likeness, gist, likeness

SOURCE = "/imports/"
FEED, NAMES, MARK = "importfeed", "importkeys", "importmark"
"""Extension attributes of an imported event: its feed, its keys, its fingerprint."""
CARD = ("topic", "audiences", "channels")
KEPT = 3
TITLED_MAX = 30
"""Of more items under one title on one day, the newest are compared."""


@dataclass(frozen=True, slots=True)
class Story:
    """One imported item. `card` are the topic, audiences and channels that it went out with."""

    content_id: str
    revision: int = 0
    mark: str = ""
    feed_id: str = ""
    guids: frozenset[str] = frozenset()
    """The names of its newest text: an entry with one of them is the item itself."""
    card: dict[str, Any] = field(default_factory=dict)
    withdrawn: bool = False
    lately: tuple[datetime, ...] = ()
    """When the newest texts came in."""
    gist: Gist | None = None
    """Of the newest text."""


@dataclass(frozen=True, slots=True)
class Match:
    """The item that an entry is, and how sure that is.

    `named`: by a name that is its own. Otherwise by its title: `SAME` or `NEAR`.
    """

    story: Story
    named: bool
    how: Likeness = Likeness.SAME


@dataclass
class Known:
    """Every item that was imported for one unit, by name and by title.

    `seq` is how far the log is read. `doubted` are texts that count and that intake may yet refuse,
    or has taken in: event → hash.
    """

    unit: str
    stories: dict[str, Story] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)
    by_title: dict[str, list[str]] = field(default_factory=dict)
    doubted: dict[str, str] = field(default_factory=dict)
    seq: int = 0

    def match(self, entry: Entry, aliases: Mapping[str, str] = {}) -> Match | None:
        """The item that *entry* is. *aliases* are names that no event tells of: name → item."""
        for name in entry.names:
            if content_id := self.by_name.get(name) or aliases.get(name):
                return Match(self.stories[content_id], named=True)
        return self.alike(entry)

    def alike(self, entry: Entry) -> Match | None:
        """The item of the same title and day that says most nearly what *entry* says."""
        ids = (one for key in entry.title_keys for one in self.by_title.get(key, [])[-TITLED_MAX:])
        found = (self.stories[one] for one in dict.fromkeys(ids))
        matches = (
            Match(one, named=False, how=likeness(one.gist, entry.gist)) for one in found if one.gist
        )
        best = max(matches, key=lambda one: one.how, default=None)
        return best if best and best.how else None

    def concerns(self, event: CloudEvent) -> bool:
        """Whether it is of an imported item, whoever says it."""
        return self.ours(event) or str(event.data.get("content_id")) in self.stories

    def ours(self, event: CloudEvent) -> bool:
        """Whether the import says it."""
        return event.source == f"{SOURCE}{self.unit}" and NAMES in event.extensions

    def in_turn(self, event: CloudEvent) -> bool:
        """Whether an event that fits the contract is the import's own next text, and not urgent.

        Only another sender's text, one behind another and one in a lane that the unit may not use
        can be refused by intake, or one under an id that something else was sent under.
        """
        if event.type == events.WITHDRAWN or event.data.get("lane") == Lane.URGENT:
            return False
        content_id, revision = event.data["content_id"], event.data["revision"]
        story = self.stories.get(content_id)
        newest = story.revision if story else 0
        named = event.id == event_name(content_id, revision)
        return self.ours(event) and named and revision > newest

    def learn(self, event: CloudEvent, at: datetime) -> None:
        """Take in an event of an imported item, as the contract has it."""
        content_id = event.data["content_id"]
        story = self.stories.get(content_id) or Story(content_id)
        if event.type == events.WITHDRAWN:
            self.stories[content_id] = replace(story, withdrawn=True)
            return
        story = replace(story, revision=max(story.revision, event.data["revision"]))
        self.stories[content_id] = self.imported(story, event, at) if self.ours(event) else story

    def imported(self, story: Story, event: CloudEvent, at: datetime) -> Story:
        """The story after an event of our own."""
        keys = str(event.extensions[NAMES]).split()
        self.remember(keys, story.content_id)
        return replace(
            story,
            mark=str(event.extensions.get(MARK, "")),
            feed_id=str(event.extensions.get(FEED, "")),
            guids=frozenset(key for key in keys if not is_title(key)),
            card={name: event.data[name] for name in CARD if name in event.data},
            lately=(*story.lately, at)[-KEPT:],
            gist=gist_of(event),
        )

    def remember(self, keys: Iterable[str], content_id: str) -> None:
        """A name is the first item's that bore it; a title is everybody's, the newest last."""
        for key in keys:
            if is_title(key):
                others = (one for one in self.by_title.get(key, ()) if one != content_id)
                self.by_title[key] = [*others, content_id]
            else:
                self.by_name.setdefault(key, content_id)


def event_name(content_id: str, revision: int) -> str:
    """The id of the import's own event."""
    return f"{content_id}.{revision}"


def is_title(key: str) -> bool:
    """Whether it is a title's key, and so may be another entry's, too."""
    return key.startswith("t.")


def gist_of(event: CloudEvent) -> Gist:
    """What an event says, as `Entry.gist` has it."""
    said = f"{event.data.get('summary', '')}\n{event.data.get('body', '')}"
    files = (one["title"] for one in event.data.get("attachments") or ())
    return gist(said, files, event.time)
