"""Plan of events from a feed and the articles imported before.

Pure functions. The same feed read twice plans nothing the second time; entries that left the
feed are ignored; entries without an event are counted by reason.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from contracts import keys
from contracts.delivery import Lane
from producers.imports.feed_state import DuplicateEntry, MovedItem, ThrottledItem
from producers.imports.imported_articles import (
    MAX_CHANGES_A_DAY,
    MAX_SAME_TITLE,
    ImportedArticle,
    ImportedArticles,
    Match,
)
from producers.imports.parse.feed_entry import Entry
from producers.imports.parse.similarity import Similarity, compare
from producers.imports.planned import PORTAL_ONLY, Draft, DraftReason, Plan, Reading

_DAY = timedelta(days=1)


def plan_events(reading: Reading, imported: ImportedArticles) -> Plan:
    planner = ImportPlanner(reading, imported)
    entries = map(planner.drop_foreign_address, reading.entries)
    for entry in sorted(entries, key=planner.match_rank):
        planner.plan_entry(entry)
    plan = planner.plan
    plan.drafts.sort(key=lambda draft: draft.entry.published_at or reading.now)
    if not (reading.manual and reading.manual.release_held):
        _hold_excess(plan, reading.feed.most)
    _use_bulk_lane(plan, reading.feed.most)
    return plan


def _hold_excess(plan: Plan, most: int) -> None:
    """Hold the drafts that reach subscribers, if there are too many."""
    widely_sent = [draft for draft in plan.drafts if not draft.is_portal_only]
    if len(widely_sent) > most:
        plan.held = widely_sent
        plan.drafts = [draft for draft in plan.drafts if draft.is_portal_only]
        plan.counts["held"] = len(widely_sent)


def _use_bulk_lane(plan: Plan, most: int) -> None:
    """Use the bulk lane for older items and for large numbers of items."""
    counts = Counter(draft.is_portal_only for draft in plan.drafts if draft.reason != "backfilled")
    plan.drafts = [
        replace(draft, lane=Lane.BULK)
        if draft.reason == "backfilled" or counts[draft.is_portal_only] > most
        else draft
        for draft in plan.drafts
    ]


class ImportPlanner:
    """Plans the entries of one reading, surest matches first."""

    def __init__(self, reading: Reading, imported: ImportedArticles) -> None:
        self.reading = reading
        self.imported = imported
        self.plan = Plan()
        state = reading.state
        self.set_aside = frozenset(state.aside)
        self.duplicates = {duplicate.key: duplicate for duplicate in state.twins}
        self.refused = set() if reading.manual else {refusal.key for refusal in state.refused}
        self.claimed_items: set[str] = set()  # items with a main entry in this reading
        self.item_by_name: dict[str, str] = {}  # name → item, in this reading
        self.items_by_title: dict[str, list[tuple[str, Entry]]] = {}  # title → main entries
        self.matches: dict[int, Match | None] = {}
        self.aliases: dict[str, str] = {}  # names outside events, from earlier readings
        self.current_names: dict[str, frozenset[str]] = {}  # item → its present names
        self.load_moved()

    def load_moved(self) -> None:
        """Load the moves that earlier readings found; the newest place counts."""
        for move in reversed(self.reading.state.moved):
            if (article := self.imported.articles.get(move.of)) is None:
                continue
            self.aliases |= dict.fromkeys(move.names, move.of)
            is_same_text = move.revision in (None, article.text_revision)
            if is_same_text and article.fingerprint == move.mark:
                self.current_names[move.of] = frozenset(move.names)

    def drop_foreign_address(self, entry: Entry) -> Entry:
        """The entry, without an address that belongs to another item than its guid.

        So a known name never changes its item, and the next reading finds the same items.
        """
        is_foreign = len({*self.imported.owners(entry, self.aliases)}) > 1
        return replace(entry, shares_url=True) if is_foreign else entry

    def match(self, entry: Entry) -> Match | None:
        """The known item of an entry, with its present names."""
        if id(entry) not in self.matches:
            match = self.imported.match(entry, self.aliases)
            self.matches[id(entry)] = self.with_current_names(match)
        return self.matches[id(entry)]

    def with_current_names(self, match: Match | None) -> Match | None:
        if match is None or match.article.content_id not in self.current_names:
            return match
        names = self.current_names[match.article.content_id]
        return replace(match, article=replace(match.article, names=names))

    def match_rank(self, entry: Entry) -> tuple[int, bool]:
        """Rank of the match: guid, address, earlier name, title; 4 for none.

        Of two equal ranks, the entry with the known text comes first.
        """
        match = self.match(entry)
        if match is None:
            return 4, False
        if not match.is_by_name:
            grade = 3
        elif entry.guid_key in match.article.names:
            grade = 0
        else:
            grade = 1 if _has_own_name(entry, match) else 2
        return grade, match.article.fingerprint != entry.fingerprint

    def plan_entry(self, entry: Entry) -> None:
        """Plan one entry; later entries equal to it are duplicates."""
        match = self.match(entry)
        if not self.set_aside.isdisjoint(entry.names) and not _has_own_name(entry, match):
            self.keep_set_aside(entry)
        elif match:
            self.plan_known_entry(entry, match)
        elif of := next(
            (self.item_by_name[name] for name in entry.names if name in self.item_by_name), None
        ):
            self.record_duplicate({*entry.names} - {*self.item_by_name})
            self.index_names(entry, of)
        elif of := self.find_same_title(entry):
            self.record_twin(entry, of)
            self.record_duplicate({*entry.names})
        else:
            self.plan_new_entry(entry)

    def keep_set_aside(self, entry: Entry) -> None:
        """Keep an entry set aside, regardless of its twin."""
        if twin := self.duplicates.get(entry.names[0]):
            self.plan.twins[twin.key] = twin
        self.plan.counts["duplicate" if twin or self.match(entry) else "old"] += 1
        self.plan.set_aside.update(entry.names)

    def plan_known_entry(self, entry: Entry, match: Match) -> None:
        article = match.article
        is_claimed = article.content_id in self.claimed_items
        is_near = not match.is_by_name and match.similarity < Similarity.SAME
        if article.is_withdrawn:
            self.plan.counts["withdrawn"] += 1
        elif is_near or is_claimed or self.belongs_to_other_feed(article):
            self.plan_second_entry(entry, match)
        else:
            self.claimed_items.add(article.content_id)
            self.index_entry(entry, article.content_id)
            self.compare_text(entry, match)

    def compare_text(self, entry: Entry, match: Match) -> None:
        """Compare the item's main entry with its known text."""
        article = match.article
        is_moved = match.is_by_name and not _has_own_name(entry, match)
        words = article.signature.words if article.signature else None
        if article.fingerprint == entry.fingerprint:
            self.record_move(entry, article)
        elif is_moved and words == entry.signature.words:
            self.plan.counts["unchanged"] += 1
        elif until := _quiet_until(article, self.reading.now):
            self.plan.counts["restless"] += 1
            title, url = entry.title[:150], entry.url[:2048]
            self.plan.restless.append(ThrottledItem(title=title, url=url, until=until))
        else:
            channels = tuple(article.routing.get("channels", ()))
            self.add_draft(
                Draft(article.content_id, article.revision + 1, entry, "changed", channels, article)
            )

    def record_move(self, entry: Entry, article: ImportedArticle) -> None:
        """Count an unchanged text; record a new address without an event."""
        moved = not {*entry.names} <= article.names
        self.plan.counts["moved" if moved else "unchanged"] += 1
        if moved:
            of, mark, revision = article.content_id, entry.fingerprint, article.text_revision
            item = MovedItem(of=of, mark=mark, names=entry.names, revision=revision)
            self.plan.moved.append(item)

    def plan_second_entry(self, entry: Entry, match: Match) -> None:
        """Plan a further entry of a known item.

        An entry of an item from another feed is not set aside: if that feed is removed, this one
        takes over.
        """
        if not match.is_by_name:
            self.record_twin(entry, match.article.content_id)
        stays = self.belongs_to_other_feed(match.article)
        self.record_duplicate(set() if stays else {*entry.names} - match.article.names)

    def record_duplicate(self, names: set[str]) -> None:
        self.plan.counts["duplicate"] += 1
        self.plan.set_aside.update(names)

    def record_twin(self, entry: Entry, of: str) -> None:
        """Record a duplicate found by title and text alone, for an operator to check."""
        key, title, url = entry.names[0], entry.title[:150], entry.url[:2048]
        self.plan.twins[key] = DuplicateEntry(key=key, title=title, url=url, of=of)

    def find_same_title(self, entry: Entry) -> str | None:
        """The item of an earlier entry in this reading with the same title and a similar text."""
        for key in entry.title_keys:
            for of, other in self.items_by_title.get(key, [])[-MAX_SAME_TITLE:]:
                if compare(other.signature, entry.signature):
                    return of
        return None

    def index_entry(self, entry: Entry, content_id: str) -> None:
        """Index an entry for comparison with later ones."""
        self.index_names(entry, content_id)
        for key in entry.title_keys:
            self.items_by_title.setdefault(key, []).append((content_id, entry))

    def index_names(self, entry: Entry, content_id: str) -> None:
        for name in entry.names:
            self.item_by_name.setdefault(name, content_id)

    def belongs_to_other_feed(self, article: ImportedArticle) -> bool:
        """Whether the item belongs to another feed of the unit."""
        return article.feed_id in self.reading.feeds - {self.reading.feed.feed_id}

    def plan_new_entry(self, entry: Entry) -> None:
        item = import_content_id(self.imported.unit, entry)
        reason: DraftReason = "new" if _is_new(entry, self.reading) else "backfilled"
        if reason == "backfilled" and not self.reading.feed.backfill:
            self.plan.counts["old"] += 1
            self.plan.set_aside.update(entry.names)
            self.index_names(entry, item)
            return
        self.index_entry(entry, item)
        channels = self.reading.feed.channels if reason == "new" else PORTAL_ONLY
        self.add_draft(Draft(item, 1, entry, reason, channels))

    def add_draft(self, draft: Draft) -> None:
        """Add a draft, unless the same text was refused before."""
        if draft.refusal_key in self.refused:
            self.plan.counts["refused"] += 1
            self.plan.refused.add(draft.refusal_key)
        else:
            self.plan.drafts.append(draft)


def import_content_id(unit: str, entry: Entry) -> str:
    """The item's content_id; always the same for the same unit and entry."""
    return f"bai-{keys.digest('import', unit, entry.names[0])[:20]}"


def _has_own_name(entry: Entry, match: Match | None) -> bool:
    """Whether the entry has a name of the item's newest text."""
    return match is not None and not match.article.names.isdisjoint(entry.names)


def _is_new(entry: Entry, reading: Reading) -> bool:
    """Whether the entry is news: published after the feed was added, as far as known."""
    if reading.feed.since is None:
        return True
    if entry.published_at is None:
        return reading.state.read > 0
    return entry.published_at >= reading.feed.since


def _quiet_until(article: ImportedArticle, now: datetime) -> datetime | None:
    """Until when an item with too many changes in a day is left alone."""
    if len(article.recent_changes) < MAX_CHANGES_A_DAY or now - article.recent_changes[0] >= _DAY:
        return None
    return article.recent_changes[0] + _DAY
