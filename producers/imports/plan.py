"""What follows from a feed and from what is known: which events, and what is left alone.

A pure function. The same feed read twice gives nothing the second time; an entry that has left the
feed is nothing; whatever is not taken up is counted under the reason.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from contracts import keys
from contracts.delivery import ChannelName
from producers.imports.entry import Entry
from producers.imports.feed import Feed
from producers.imports.known import KEPT, Known, Story

DAY = timedelta(days=1)
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


@dataclass(frozen=True)
class Reading:
    """One reading of one feed, and what is remembered of earlier ones."""

    feed: Feed
    entries: Sequence[Entry]
    now: datetime
    first: bool = False
    """Nothing was ever read there before: what has no date lay there already."""
    aside: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    """`<content_id> <mark>` of what the contract has refused."""
    feeds: frozenset[str] = frozenset()
    """All feeds of the unit: an item follows the one that brought it for as long as it is read."""
    released: bool = False
    """Somebody has looked: nothing is held."""


def plan(reading: Reading, known: Known) -> Plan:
    """What to do about *reading*."""
    judge = Judge(reading, known)
    for entry in sorted(reading.entries, key=judge.strength):
        judge.take(entry)
    made = judge.made
    made.drafts.sort(key=lambda one: one.entry.at or reading.now)
    return made if reading.released else hold(made, reading.feed.most)


def hold(made: Plan, most: int) -> Plan:
    """Keep back what would reach readers, if it is too much at once."""
    loud = [one for one in made.drafts if not one.quiet]
    if len(loud) > most:
        made.held = loud
        made.drafts = [one for one in made.drafts if one.quiet]
        made.counts["held"] = len(loud)
    return made


class Judge:
    """Goes through the entries of one reading, those that are surely an item's own first."""

    def __init__(self, reading: Reading, known: Known) -> None:
        self.reading = reading
        self.known = known
        self.made = Plan()
        self.claimed: set[str] = set()  # items that an entry of this reading stands for
        self.seen: dict[str, Entry] = {}  # the first entry with each key

    def strength(self, entry: Entry) -> tuple[int, bool]:
        """How surely it is an item: by guid, address, an earlier name, title; 4: not at all.

        Of two that are equally sure, the one goes first that says what is known.
        """
        named = self.known.find(entry.names)
        story = named or self.known.find(entry.title_keys)
        if story is None:
            return 4, False
        if named is None:
            grade = 3
        elif entry.guid_key in story.guids:
            grade = 0
        else:
            grade = 1 if entry.url_key in story.guids else 2
        return grade, story.mark != entry.mark

    def take(self, entry: Entry) -> None:
        """Judge one entry; from now on, whatever else bears one of its keys is a twin of it."""
        twin = next((self.seen[key] for key in entry.keys if key in self.seen), None)
        for key in entry.keys:
            self.seen.setdefault(key, twin or entry)
        named = self.known.find(entry.names)
        if named is None and self.reading.aside & {*entry.marks}:
            self.made.counts["old"] += 1
            self.made.aside.update(entry.marks)
        elif story := named or self.known.find(entry.title_keys):
            self.again(entry, story)
        elif twin:
            self.made.counts["duplicate"] += 1
            self.made.aside.update({*entry.marks} - {*twin.marks})
        else:
            self.fresh(entry)

    def again(self, entry: Entry, story: Story) -> None:
        """An entry of an item that is known."""
        if self.left_alone(story):
            self.made.counts["withdrawn" if story.withdrawn else "duplicate"] += 1
            return
        if story.content_id in self.claimed:
            self.made.counts["duplicate"] += 1
            self.made.aside.update({*entry.marks} - story.guids)
            return
        self.claimed.add(story.content_id)
        if story.mark == entry.mark:
            self.made.counts["unchanged"] += 1
        elif restless(story, self.reading.now):
            self.made.counts["restless"] += 1
        else:
            channels = tuple(story.card.get("channels", ()))
            self.draft(
                Draft(story.content_id, story.revision + 1, entry, "changed", channels, story)
            )

    def left_alone(self, story: Story) -> bool:
        """What was taken back stays so; an item follows one feed, not two in turn."""
        followed = story.feed_id in self.reading.feeds - {self.reading.feed.feed_id}
        return story.withdrawn or followed

    def fresh(self, entry: Entry) -> None:
        """An entry that nobody has seen."""
        why: Why = "new" if is_new(entry, self.reading) else "old"
        if why == "old" and not self.reading.feed.backfill:
            self.made.counts["old"] += 1
            self.made.aside.update(entry.marks)
            return
        channels = self.reading.feed.channels if why == "new" else PORTAL
        self.draft(Draft(content_id(self.known.unit, entry), 1, entry, why, channels))

    def draft(self, draft: Draft) -> None:
        """What was refused is not tried again until it says something else."""
        if draft.refusal in self.reading.refused:
            self.made.counts["refused"] += 1
            self.made.refused.add(draft.refusal)
        else:
            self.made.drafts.append(draft)


def content_id(unit: str, entry: Entry) -> str:
    """The item's name for ever: the same whenever and wherever it is worked out."""
    return f"bai-{keys.digest('import', unit, entry.first_key)[:20]}"


def is_new(entry: Entry, reading: Reading) -> bool:
    """Whether it came out since the feed is read, as far as anybody can tell."""
    if reading.feed.since is None:
        return True
    return not reading.first if entry.at is None else entry.at >= reading.feed.since


def restless(story: Story, now: datetime) -> bool:
    """Whether an item was changed so often within a day that readers have to be spared."""
    return len(story.lately) >= KEPT and now - story.lately[0] < DAY
