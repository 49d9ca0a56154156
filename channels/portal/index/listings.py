"""Which items stand on which shelf: the newest, by month, and in parts that become archives.

A month of a shelf is cut into parts of so many items, oldest first. The shelf's last part is open:
the feed itself covers it. Every other part is closed, and is an archive.

Where an item once stood it stays, unlisted: pages leave it out, but the feed goes on to say what
became of it to those who have read it there.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from channels.portal.model.history import last_change
from channels.portal.model.months import month_bounds, month_of, to_microseconds
from channels.portal.model.page_sets import (
    ARCHIVE,
    FEED,
    HOME,
    LISTING,
    MONTH,
    OVERVIEWS,
    SITEMAP,
    SITEMAP_INDEX,
    WRITE_RANKS,
    PageSet,
)
from channels.portal.model.site import ALL_SLUG, CORRECTIONS_SLUG
from contracts.publication import Publication

NEWEST_SQL = """
SELECT content_id FROM shelf WHERE slug = ? AND listed >= ?
ORDER BY published DESC, content_id DESC LIMIT ?
"""
CHANGES_SQL = """
SELECT content_id, published FROM shelf WHERE slug = ? AND changed > 0
ORDER BY changed DESC, content_id DESC LIMIT ?
"""
_COUNT_SQL = """
UPDATE month SET listed = listed + ? - (
    SELECT listed FROM shelf WHERE slug = ? AND published = ? AND content_id = ?
) WHERE slug = ? AND month = ?
"""
_LIST_SQL = """
UPDATE shelf SET listed = ?, changed = ? WHERE slug = ? AND published = ? AND content_id = ?
"""
_RANK_SQL = """
SELECT count(*) FROM shelf
WHERE slug = ? AND published >= ? AND (published, content_id) < (?, ?)
"""
PART_SQL = """
SELECT content_id FROM shelf WHERE slug = ? AND published >= ? AND published < ?
ORDER BY published, content_id LIMIT ? OFFSET ?
"""
_MONTH_SQL = """
SELECT content_id FROM shelf WHERE slug = ? AND published >= ? AND published < ? AND listed
ORDER BY published DESC, content_id DESC
"""

IndexState = tuple[int, int, bool]


@dataclass(frozen=True, slots=True)
class ListingEntry:
    """Where an item stands: a shelf, and its place in the shelf's order."""

    slug: str
    published_us: int  # microseconds
    content_id: str
    changed_us: int = field(default=0, compare=False)
    """When the text that is shown took the place of another, in microseconds; 0 = it never did."""

    @property
    def month(self) -> str:
        return month_of(self.published_us)


def listing_entries(publication: Publication, slugs: Iterable[str]) -> Iterator[ListingEntry]:
    """Where the item stands: by its first release, and among corrections by the last of these."""
    first = to_microseconds(publication.first_shown_at)
    last = max(first, to_microseconds(publication.shown_at))
    changed = last if last > first or publication.action != "published" else 0
    change = last_change(publication)
    wrong = max(first, to_microseconds(change.at)) if change else last
    for slug in dict.fromkeys(slugs):
        age = wrong if slug == CORRECTIONS_SLUG else first
        yield ListingEntry(slug, age, publication.content_id, changed)


class Listings:
    """The part of the index that knows shelves; the tables are laid out by `Index`."""

    _db: sqlite3.Connection

    @property
    def change_state(self) -> IndexState:
        """Another one whenever anybody may have written; what is undone counts as another, too."""
        seen: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return seen, self._db.total_changes, self._db.in_transaction

    def newest_items(self, slug: str, limit: int, *, listed: bool = False) -> list[str]:
        """Ids, newest first; as fast with 100,000 items as with 100. *listed*: those of pages."""
        return self._content_ids(NEWEST_SQL, (slug, int(listed), limit))

    def feed_items(self, slug: str, limit: int, changed_limit: int) -> list[str]:
        """The *limit* newest, and *more* older ones, those that were changed last; newest first."""
        newest = self.newest_items(slug, limit)
        changed = self._db.execute(CHANGES_SQL, (slug, limit + changed_limit))
        older = [(published, one) for one, published in changed if one not in newest][
            :changed_limit
        ]
        return newest + [one for _, one in sorted(older, reverse=True)]

    def month_items(self, slug: str, month: str) -> list[str]:
        """What a month's page lists, newest first."""
        return self._content_ids(_MONTH_SQL, (slug, *month_bounds(month)))

    def archive_items(self, archive: PageSet, archive_size: int) -> list[str]:
        """A part's items, oldest first."""
        first = (archive.part - 1) * archive_size
        return self._content_ids(
            PART_SQL, (archive.slug, *month_bounds(archive.month), archive_size, first)
        )

    def months(self, slug: str) -> list[tuple[str, int]]:
        """The shelf's months, newest first, and how many items the page of each lists."""
        sought = "SELECT month, listed FROM month WHERE slug = ? ORDER BY month DESC"
        return list(self._db.execute(sought, (slug,)))

    def count_month_items(self, slug: str, month: str) -> int:
        """How many items the month has; 0 = there is no such month."""
        sought = "SELECT items FROM month WHERE slug = ? AND month = ?"
        found = self._db.execute(sought, (slug, month)).fetchone()
        return int(found[0]) if found else 0

    def adjacent_months(self, slug: str, month: str) -> tuple[str, str]:
        """The nearest months with items before and after; empty for none."""
        older = "SELECT max(month) FROM month WHERE slug = ? AND month < ?"
        newer = "SELECT min(month) FROM month WHERE slug = ? AND month > ?"
        found = [self._db.execute(sql, (slug, month)).fetchone()[0] for sql in (older, newer)]
        return found[0] or "", found[1] or ""

    def used_slugs(self) -> list[str]:
        """Every shelf that has an item, found by skipping from one to the next."""
        found: list[str] = []
        sought = "SELECT slug FROM month WHERE slug > ? ORDER BY slug LIMIT 1"
        after: tuple[str, ...] | None = ("",)
        while after:
            after = self._db.execute(sought, after).fetchone()
            found.extend(after or ())
        return found

    def open_part(self, slug: str, archive_size: int) -> PageSet | None:
        """The part that grows still; None for an empty shelf."""
        sought = "SELECT max(month) FROM month WHERE slug = ?"
        month = self._db.execute(sought, (slug,)).fetchone()[0]
        return self._last_part(slug, month, archive_size) if month else None

    def is_closed_part(self, archive: PageSet, archive_size: int) -> bool:
        """Whether this part exists, and others follow."""
        exists = (
            1
            <= archive.part
            <= -(-self.count_month_items(archive.slug, archive.month) // archive_size)
        )
        return exists and archive != self.open_part(archive.slug, archive_size)

    def previous_part(self, part: PageSet, archive_size: int) -> PageSet | None:
        """The part before, in this month or an earlier one."""
        if part.part > 1:
            return part._replace(part=part.part - 1)
        older, _ = self.adjacent_months(part.slug, part.month)
        return self._last_part(part.slug, older, archive_size) if older else None

    def next_part(self, part: PageSet, archive_size: int) -> PageSet | None:
        """The part that follows, in this month or a later one."""
        if part.part * archive_size < self.count_month_items(part.slug, part.month):
            return part._replace(part=part.part + 1)
        _, newer = self.adjacent_months(part.slug, part.month)
        return PageSet(ARCHIVE, part.slug, newer, 1) if newer else None

    def all_parts(self, slug: str, archive_size: int) -> Iterator[PageSet]:
        """All parts of a shelf, the open one too."""
        for month, _ in self.months(slug):
            last = self._last_part(slug, month, archive_size)
            yield from (last._replace(part=number) for number in range(1, last.part + 1))

    def move_item(
        self,
        content_id: str,
        entries: Collection[ListingEntry],
        archive_size: int,
        *,
        listed_slugs: Collection[str],
    ) -> set[PageSet]:
        """Let the item stand on *spots* alone; returns the places that say something else now.

        *listed*: the shelves whose pages name it.
        """
        old = set(self._entries_of(content_id))
        touched: set[PageSet] = set()
        for spot in old.difference(entries):
            touched |= self._page_sets_shifted_by(spot, archive_size)
            self._remove_entry(spot)
            touched |= self._page_sets_shifted_by(spot, archive_size)
        for spot in set(entries) - old:
            touched |= self._add_entry(spot, archive_size)
        for spot in entries:
            self._set_listed(spot, listed=spot.slug in listed_slugs)
        for spot in old.intersection(entries):
            touched |= self._page_sets_naming(spot, self._part_of(spot, archive_size))
        return touched

    def slugs_of_item(self, content_id: str) -> list[str]:
        """Where the item stands, or stood once."""
        return [spot.slug for spot in self._entries_of(content_id)]

    def feed_with_item(
        self, slug: str, content_id: str, limit: int, changed_limit: int
    ) -> PageSet | None:
        """The feed, or else the archive, in which readers find the item; None for neither."""
        if content_id in self.feed_items(slug, limit, changed_limit):
            return PageSet(FEED, slug)
        here = [spot for spot in self._entries_of(content_id) if spot.slug == slug]
        return self._part_of(here[0], limit) if here else None

    def page_sets_of(self, content_id: str, archive_size: int) -> list[PageSet]:
        """The places that name the item, in the order of writing."""
        spots = self._entries_of(content_id)
        found = set[PageSet]().union(
            *(self._page_sets_naming(spot, self._part_of(spot, archive_size)) for spot in spots)
        )
        return sorted(found, key=lambda one: (WRITE_RANKS[one.kind], one))

    def _add_entry(self, entry: ListingEntry, archive_size: int) -> set[PageSet]:
        values = (entry.slug, entry.published_us, entry.content_id)
        self._db.execute("INSERT INTO shelf VALUES (?, ?, ?, 0, 0)", values)
        self._db.execute(
            "INSERT INTO month VALUES (?, ?, 1, 0)"
            " ON CONFLICT (slug, month) DO UPDATE SET items = items + 1",
            (entry.slug, entry.month),
        )
        return self._page_sets_shifted_by(entry, archive_size)

    def _set_listed(self, entry: ListingEntry, *, listed: bool) -> None:
        """Have the pages name the item that stands there, or leave it out."""
        here = (entry.slug, entry.published_us, entry.content_id)
        self._db.execute(_COUNT_SQL, (listed, *here, entry.slug, entry.month))
        self._db.execute(_LIST_SQL, (listed, entry.changed_us, *here))

    def _remove_entry(self, entry: ListingEntry) -> None:
        self._set_listed(entry, listed=False)
        self._db.execute(
            "DELETE FROM shelf WHERE slug = ? AND published = ? AND content_id = ?",
            (entry.slug, entry.published_us, entry.content_id),
        )
        here = (entry.slug, entry.month)
        self._db.execute("UPDATE month SET items = items - 1 WHERE slug = ? AND month = ?", here)
        self._db.execute("DELETE FROM month WHERE slug = ? AND month = ? AND items = 0", here)

    def _page_sets_shifted_by(self, entry: ListingEntry, archive_size: int) -> set[PageSet]:
        """What may differ when an item comes to *spot* or leaves it: later parts shift."""
        first = self._part_of(entry, archive_size)
        last = self._last_part(entry.slug, entry.month, archive_size)
        shifted = {first._replace(part=n) for n in range(first.part, last.part + 1)}
        touched = self._page_sets_naming(entry, first) | shifted
        if following := self.next_part(last, archive_size):
            touched.add(following)
        if (
            self.count_month_items(entry.slug, entry.month) - 1
        ) % archive_size == 0:  # alone in its last part
            touched |= self._two_previous_parts(last, archive_size)
        if self.count_month_items(entry.slug, entry.month) <= 1:
            touched |= self._page_sets_linking_month(entry)
        return touched

    def _page_sets_naming(self, entry: ListingEntry, part: PageSet) -> set[PageSet]:
        """What names the item that stands there."""
        slug, month = entry.slug, entry.month
        touched = {part, PageSet(FEED, slug), PageSet(LISTING, slug), PageSet(MONTH, slug, month)}
        everywhere = {PageSet(HOME), PageSet(SITEMAP, "", month)}
        return touched | everywhere if slug == ALL_SLUG else touched

    def _page_sets_linking_month(self, entry: ListingEntry) -> set[PageSet]:
        """The months on both sides point to a month that comes or goes; lists name new shelves."""
        beside = self.adjacent_months(entry.slug, entry.month)
        months = {PageSet(MONTH, entry.slug, month) for month in beside if month}
        return months | {PageSet(OVERVIEWS), PageSet(SITEMAP_INDEX)}

    def _two_previous_parts(self, part: PageSet, archive_size: int) -> set[PageSet]:
        """The one that closes now, and the one that points to it."""
        closing = self.previous_part(part, archive_size)
        pointing = self.previous_part(closing, archive_size) if closing else None
        return {one for one in (closing, pointing) if one}

    def _part_of(self, entry: ListingEntry, archive_size: int) -> PageSet:
        return PageSet(
            ARCHIVE, entry.slug, entry.month, self._position_in_month(entry) // archive_size + 1
        )

    def _position_in_month(self, entry: ListingEntry) -> int:
        """How many items of its month stand before it."""
        first, _ = month_bounds(entry.month)
        values = (entry.slug, first, entry.published_us, entry.content_id)
        return int(self._db.execute(_RANK_SQL, values).fetchone()[0])

    def _last_part(self, slug: str, month: str, archive_size: int) -> PageSet:
        return PageSet(
            ARCHIVE, slug, month, max(1, -(-self.count_month_items(slug, month) // archive_size))
        )

    def _entries_of(self, content_id: str) -> list[ListingEntry]:
        sought = "SELECT slug, published FROM shelf WHERE content_id = ?"
        found = self._db.execute(sought, (content_id,))
        return [ListingEntry(slug, published, content_id) for slug, published in found]

    def _content_ids(self, sql: str, values: tuple[str | int, ...]) -> list[str]:
        return [content_id for (content_id,) in self._db.execute(sql, values)]
