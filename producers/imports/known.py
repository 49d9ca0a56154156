"""What has been imported for a unit already, as its events in CONTENT tell it.

The log is the memory: nothing else has to be kept, and nothing that was published can be forgotten.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from contracts import events
from contracts.cloudevent import CloudEvent

SOURCE = "/imports/"
FEED, NAMES, MARK = "importfeed", "importkeys", "importmark"
"""Extension attributes of an imported event: its feed, its keys, its fingerprint."""
CARD = ("topic", "audiences", "channels")
KEPT = 3


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


@dataclass
class Known:
    """Every item that was imported for one unit, by its keys. `seq` is how far the log is read."""

    unit: str
    stories: dict[str, Story] = field(default_factory=dict)
    by_key: dict[str, str] = field(default_factory=dict)
    seq: int = 0

    def find(self, keys: Iterable[str]) -> Story | None:
        """The item behind the first of *keys* that is known."""
        for key in keys:
            if content_id := self.by_key.get(key):
                return self.stories[content_id]
        return None

    def learn(self, event: CloudEvent, at: datetime) -> None:
        """Take in an event of the unit; what somebody else says of an imported item counts, too."""
        content_id = str(event.data.get("content_id", ""))
        ours = event.source == f"{SOURCE}{self.unit}" and NAMES in event.extensions
        story = self.stories.get(content_id)
        if story is None and not ours:
            return
        story = story or Story(content_id)
        if event.type == events.WITHDRAWN:
            self.stories[content_id] = replace(story, withdrawn=True)
            return
        revision = max(story.revision, int(event.data.get("revision", 0)))
        story = replace(story, revision=revision)
        self.stories[content_id] = self.imported(story, event, at) if ours else story

    def imported(self, story: Story, event: CloudEvent, at: datetime) -> Story:
        """The story after an event of our own."""
        keys = str(event.extensions[NAMES]).split()
        for key in keys:
            self.by_key.setdefault(key, story.content_id)
        return replace(
            story,
            mark=str(event.extensions.get(MARK, "")),
            feed_id=str(event.extensions.get(FEED, "")),
            guids=frozenset(names(keys)),
            card={name: event.data[name] for name in CARD if name in event.data},
            lately=(*story.lately, at)[-KEPT:],
        )


def names(keys: Iterable[str]) -> Iterator[str]:
    """The keys that are an entry's own, without those of its title."""
    return (key for key in keys if not key.startswith("t."))
