"""What follows from a feed and from what is known: which events, and what is left alone.

A pure function. The same feed read twice gives nothing the second time; an entry that has left the
feed is nothing; whatever is not taken up is counted under the reason.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from contracts import keys
from contracts.delivery import Lane
from producers.imports.draft import PORTAL, Draft, Moved, Plan, Reading, Restless, Twin, Why
from producers.imports.entry import Entry
from producers.imports.known import KEPT, TITLED_MAX, Known, Match, Story
from producers.imports.likeness import Likeness, likeness

DAY = timedelta(days=1)


def plan(reading: Reading, known: Known) -> Plan:
    """What to do about *reading*."""
    judge = Judge(reading, known)
    for entry in sorted(reading.entries, key=judge.strength):
        judge.take(entry)
    made = judge.made
    made.drafts.sort(key=lambda one: one.entry.at or reading.now)
    if not reading.released:
        hold(made, reading.feed.most)
    stand_behind(made, reading.feed.most)
    return made


def hold(made: Plan, most: int) -> None:
    """Keep back what would reach readers, if it is too much at once."""
    loud = [one for one in made.drafts if not one.quiet]
    if len(loud) > most:
        made.held = loud
        made.drafts = [one for one in made.drafts if one.quiet]
        made.counts["held"] = len(loud)


def stand_behind(made: Plan, most: int) -> None:
    """What is old, and what is too much at once, lets everybody's news go first."""
    lots = Counter(one.quiet for one in made.drafts if one.why != "backfilled")
    made.drafts = [
        replace(one, lane=Lane.BULK) if one.why == "backfilled" or lots[one.quiet] > most else one
        for one in made.drafts
    ]


class Judge:
    """Goes through the entries of one reading, those that are surely an item's own first."""

    def __init__(self, reading: Reading, known: Known) -> None:
        self.reading = reading
        self.known = known
        self.made = Plan()
        self.claimed: set[str] = set()  # items that an entry of this reading stands for
        self.named: dict[str, str] = {}  # name → item, as the entries of this reading have it
        self.titled: dict[str, list[tuple[str, Entry]]] = {}  # title → those that stand for items
        self.matches: dict[int, Match | None] = {}
        self.aliases: dict[str, str] = {}  # names that no event tells of, by earlier readings
        self.moved: dict[str, frozenset[str]] = {}  # item → its names where it stands by now
        self.recall(known)

    def recall(self, known: Known) -> None:
        """What earlier readings have found elsewhere; the newest place counts."""
        for one in reversed(self.reading.moved):
            if (story := known.stories.get(one.of)) is None:
                continue
            self.aliases |= dict.fromkeys(one.names, one.of)
            if story.mark == one.mark:
                self.moved[one.of] = frozenset(one.names)

    def match(self, entry: Entry) -> Match | None:
        """The known item that it is, under the names that it had last."""
        if id(entry) not in self.matches:
            self.matches[id(entry)] = self.where_it_is(self.known.match(entry, self.aliases))
        return self.matches[id(entry)]

    def where_it_is(self, match: Match | None) -> Match | None:
        if match is None or match.story.content_id not in self.moved:
            return match
        names = self.moved[match.story.content_id]
        return replace(match, story=replace(match.story, guids=names))

    def strength(self, entry: Entry) -> tuple[int, bool]:
        """How surely it is an item: by guid, address, an earlier name, title; 4: not at all.

        Of two that are equally sure, the one goes first that says what is known.
        """
        match = self.match(entry)
        if match is None:
            return 4, False
        if not match.named:
            grade = 3
        elif entry.guid_key in match.story.guids:
            grade = 0
        else:
            grade = 1 if own(entry, match) else 2
        return grade, match.story.mark != entry.mark

    def take(self, entry: Entry) -> None:
        """Judge one entry; from now on, whatever is the same as it is a twin of it."""
        match = self.match(entry)
        if self.reading.aside & {*entry.names} and not own(entry, match):
            self.still_aside(entry)
        elif match:
            self.again(entry, match)
        elif of := next((self.named[name] for name in entry.names if name in self.named), None):
            self.duplicate({*entry.names} - {*self.named})
            self.name(entry, of)
        elif of := self.alike(entry):
            self.tell(entry, of)
            self.duplicate({*entry.names})
        else:
            self.fresh(entry)

    def still_aside(self, entry: Entry) -> None:
        """It was not taken up before, and is not now, whatever has become of the other one."""
        if twin := self.reading.twins.get(entry.names[0]):
            self.made.twins[twin.key] = twin
        self.made.counts["duplicate" if twin or self.match(entry) else "old"] += 1
        self.made.aside.update(entry.names)

    def again(self, entry: Entry, match: Match) -> None:
        """An entry of an item that is known."""
        story = match.story
        if story.withdrawn:
            self.made.counts["withdrawn"] += 1
        elif self.elsewhere(story) or story.content_id in self.claimed or nearly(match):
            self.second(entry, match)
        else:
            self.claimed.add(story.content_id)
            self.stands(entry, story.content_id)
            self.compared(entry, match)

    def compared(self, entry: Entry, match: Match) -> None:
        """The entry that stands for an item, and what it says by now."""
        story = match.story
        moved_back = match.named and not own(entry, match) and same_words(entry, story)
        if story.mark == entry.mark:
            self.stays_or_moves(entry, story)
        elif moved_back:
            self.made.counts["unchanged"] += 1
        elif until := restless(story, self.reading.now):
            self.made.counts["restless"] += 1
            title, url = entry.title[:150], entry.url[:2048]
            self.made.restless.append(Restless(title=title, url=url, until=until))
        else:
            channels = tuple(story.card.get("channels", ()))
            self.draft(
                Draft(story.content_id, story.revision + 1, entry, "changed", channels, story)
            )

    def stays_or_moves(self, entry: Entry, story: Story) -> None:
        """Not a word has changed. Where it stands is remembered, and told to nobody."""
        moved = not {*entry.names} <= story.guids
        self.made.counts["moved" if moved else "unchanged"] += 1
        if moved:
            self.made.moved.append(Moved(of=story.content_id, mark=entry.mark, names=entry.names))

    def second(self, entry: Entry, match: Match) -> None:
        """Another entry of an item that is known.

        One that another feed brought is not set aside: if that feed is read no more, this one
        takes over.
        """
        if not match.named:
            self.tell(entry, match.story.content_id)
        stays = self.elsewhere(match.story)
        self.duplicate(set() if stays else {*entry.names} - match.story.guids)

    def duplicate(self, names: set[str]) -> None:
        self.made.counts["duplicate"] += 1
        self.made.aside.update(names)

    def tell(self, entry: Entry, of: str) -> None:
        """It has no name of the item: somebody may want to look."""
        key = entry.names[0]
        self.made.twins[key] = Twin(key=key, title=entry.title[:150], url=entry.url[:2048], of=of)

    def alike(self, entry: Entry) -> str | None:
        """The item of an earlier entry of this reading that says the same under the same title."""
        for key in entry.title_keys:
            for of, other in self.titled.get(key, [])[-TITLED_MAX:]:
                if likeness(other.gist, entry.gist):
                    return of
        return None

    def stands(self, entry: Entry, content_id: str) -> None:
        """From now on, other entries are compared with this one."""
        self.name(entry, content_id)
        for key in entry.title_keys:
            self.titled.setdefault(key, []).append((content_id, entry))

    def name(self, entry: Entry, content_id: str) -> None:
        for name in entry.names:
            self.named.setdefault(name, content_id)

    def elsewhere(self, story: Story) -> bool:
        """An item follows one feed, not two in turn."""
        return story.feed_id in self.reading.feeds - {self.reading.feed.feed_id}

    def fresh(self, entry: Entry) -> None:
        """An entry that nobody has seen."""
        item = content_id(self.known.unit, entry)
        why: Why = "new" if is_new(entry, self.reading) else "backfilled"
        if why == "backfilled" and not self.reading.feed.backfill:
            self.made.counts["old"] += 1
            self.made.aside.update(entry.names)
            self.name(entry, item)
            return
        self.stands(entry, item)
        channels = self.reading.feed.channels if why == "new" else PORTAL
        self.draft(Draft(item, 1, entry, why, channels))

    def draft(self, draft: Draft) -> None:
        """What was refused is not tried again until it says something else."""
        if draft.refusal in self.reading.refused:
            self.made.counts["refused"] += 1
            self.made.refused.add(draft.refusal)
        else:
            self.made.drafts.append(draft)


def content_id(unit: str, entry: Entry) -> str:
    """The item's name for ever: the same whenever and wherever it is worked out."""
    return f"bai-{keys.digest('import', unit, entry.names[0])[:20]}"


def own(entry: Entry, match: Match | None) -> bool:
    """Whether it bears a name of the item's newest text."""
    return match is not None and not match.story.guids.isdisjoint(entry.names)


def nearly(match: Match) -> bool:
    """Too much like the item to be published, too little to write over it."""
    return not match.named and match.how < Likeness.SAME


def same_words(entry: Entry, story: Story) -> bool:
    return story.gist is not None and story.gist.words == entry.gist.words


def is_new(entry: Entry, reading: Reading) -> bool:
    """Whether it came out since the feed is read, as far as anybody can tell."""
    if reading.feed.since is None:
        return True
    return not reading.first if entry.at is None else entry.at >= reading.feed.since


def restless(story: Story, now: datetime) -> datetime | None:
    """Until when readers have to be spared an item that was changed so often within a day."""
    if len(story.lately) < KEPT or now - story.lately[0] >= DAY:
        return None
    return story.lately[0] + DAY
