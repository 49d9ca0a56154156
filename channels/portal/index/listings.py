"""Listings: the items of each slug, by age, by month, and in parts that become archives.

A month of a listing is cut into parts of FEED_LIMIT items, oldest first. The last part of a
listing is open, and the feed covers it. Every other part is closed, and is an archive.

A month's page and its site map have the newest items of the month. Once they have twice as many as
PART_LIMITS says, the older half becomes a part of its own, which stays: counted from the oldest.

An item keeps its entry in former listings, unlisted: pages leave it out, the feed goes on to carry
it, so that readers of that feed learn of corrections and withdrawals.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from channels.portal.index.database import Database
from channels.portal.model.history import last_change
from channels.portal.model.months import month_bounds, month_of, to_microseconds
from channels.portal.model.page_sets import PageKind, PageSet
from channels.portal.model.site import ALL_SLUG, CORRECTIONS_SLUG
from contracts.publication import Publication

FEED_LIMIT = 50
"""Newest items in a feed, and items in an archive, so that no item falls between them."""
CHANGES_LIMIT = 20
"""Older items in a feed beside its newest: those changed last."""
PART_LIMITS = {PageKind.MONTH: 100, PageKind.SITEMAP: 1000}
"""Items of a part of a month's page, and of its site map.

Larger ones than before make fewer parts: the files of the others stay until a rebuild.
"""
NEWEST_SQL = """
SELECT content_id FROM shelf WHERE slug = ? AND listed >= ?
ORDER BY published DESC, content_id DESC LIMIT ?
"""
CHANGES_SQL = """
SELECT content_id, published FROM shelf WHERE slug = ? AND changed > 0
ORDER BY changed DESC, content_id DESC LIMIT ?
"""
_ADD_SQL = "INSERT INTO shelf (slug, published, content_id, listed, changed) VALUES (?, ?, ?, ?, ?)"
_ADD_MONTH_SQL = """
INSERT INTO month (slug, month, items, listed) VALUES (?, ?, 1, ?)
ON CONFLICT (slug, month) DO UPDATE SET items = items + 1, listed = listed + excluded.listed
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
_ENTRY_SQL = "SELECT 1 FROM shelf WHERE slug = ? AND published = ? AND content_id = ?"
_NEWER_SQL = """
SELECT count(*) FROM (
    SELECT 1 FROM shelf
    WHERE slug = ? AND published >= ? AND (published, content_id) > (?, ?) AND published < ? LIMIT ?
)
"""
PART_SQL = """
SELECT content_id, listed FROM shelf WHERE slug = ? AND published >= ? AND published < ?
ORDER BY published DESC, content_id DESC LIMIT ? OFFSET ?
"""

IndexState = tuple[int, int, bool]


def part_sizes() -> str:
    """PART_LIMITS as the index keeps those by which its pages were written."""
    return " ".join(f"{kind}:{limit}" for kind, limit in PART_LIMITS.items())


@dataclass(frozen=True, slots=True)
class ListingEntry:
    """An item's entry in a listing, with its position in the order of time."""

    slug: str
    published_us: int
    content_id: str
    changed_us: int = field(default=0, compare=False)
    """When the current text replaced another; 0 if it is the first."""

    @property
    def key(self) -> tuple[str, int, str]:
        return self.slug, self.published_us, self.content_id

    @property
    def month(self) -> str:
        return month_of(self.published_us)


def listing_entries(publication: Publication, slugs: Iterable[str]) -> Iterator[ListingEntry]:
    """Entries of the item: at its first release, among corrections at its last change."""
    first = to_microseconds(publication.first_shown_at)
    last = max(first, to_microseconds(publication.shown_at))
    changed = last if last > first or publication.action != "published" else 0
    change = last_change(publication)
    changed_at = max(first, to_microseconds(change.at)) if change else last
    for slug in dict.fromkeys(slugs):
        at = changed_at if slug == CORRECTIONS_SLUG else first
        yield ListingEntry(slug, at, publication.content_id, changed)


class Listings(Database):
    """The listings of the index; `PortalIndex` creates the tables."""

    @property
    def change_state(self) -> IndexState:
        """A value that differs after every possible write, rolled-back writes included."""
        data_version = int(self._value("PRAGMA data_version") or 0)
        return data_version, self._db.total_changes, self._db.in_transaction

    def newest_items(self, slug: str, limit: int, *, listed: bool = False) -> list[str]:
        """Ids, newest first, however large the listing is; *listed*: only those on pages."""
        return self._content_ids(NEWEST_SQL, (slug, int(listed), limit))

    def published_at(self, slug: str, content_ids: Sequence[str]) -> list[int]:
        """When these items of a listing appeared, in microseconds and in the same order."""
        sql = "SELECT published FROM shelf WHERE slug = ? AND content_id = ?"
        return [self._db.execute(sql, (slug, one)).fetchone()[0] for one in content_ids]

    def feed_items(self, slug: str) -> list[str]:
        """The newest items and the last changed older ones, newest first."""
        newest = self.newest_items(slug, FEED_LIMIT)
        changed = self._db.execute(CHANGES_SQL, (slug, FEED_LIMIT + CHANGES_LIMIT))
        older = [(at, content_id) for content_id, at in changed if content_id not in newest]
        return newest + [name for _, name in sorted(older[:CHANGES_LIMIT], reverse=True)]

    def month_items(self, page_set: PageSet) -> list[str]:
        """Items of a month's page or site map, or of one of its parts, newest first."""
        limit, closed = PART_LIMITS[page_set.kind], self.closed_parts(page_set)
        first, count = (page_set.part - 1) * limit, limit
        if not page_set.part:
            first, count = closed * limit, 2 * limit
        return [content_id for content_id, listed in self._part(page_set, first, count) if listed]

    def archive_items(self, archive: PageSet) -> list[str]:
        """Items of a part, newest first."""
        rows = self._part(archive, (archive.part - 1) * FEED_LIMIT, FEED_LIMIT)
        return [content_id for content_id, _ in rows]

    def _part(self, page_set: PageSet, first: int, limit: int) -> Sequence[tuple[str, int]]:
        """Up to *limit* entries from *first* on, in order of age; newest first, with `listed`.

        Found from the end of the month, near which most changes are.
        """
        slug = page_set.slug or ALL_SLUG
        after = max(self.count_month_items(slug, page_set.month) - first - limit, 0)
        count = self.count_month_items(slug, page_set.month) - first - after
        values = slug, *month_bounds(page_set.month), max(count, 0), after
        return self._db.execute(PART_SQL, values).fetchall()

    def months(self, slug: str) -> list[tuple[str, int]]:
        """Months of a listing, newest first, with the number of items on each month's page."""
        sql = "SELECT month, listed FROM month WHERE slug = ? ORDER BY month DESC"
        return list(self._db.execute(sql, (slug,)))

    def count_month_items(self, slug: str, month: str) -> int:
        """Number of items in the month; 0 if the month does not exist."""
        sql = "SELECT items FROM month WHERE slug = ? AND month = ?"
        return int(self._value(sql, slug, month) or 0)

    def closed_parts(self, page_set: PageSet) -> int:
        """Number of parts beside a month's page or site map."""
        items = self.count_month_items(page_set.slug or ALL_SLUG, page_set.month)
        return max(items // PART_LIMITS[page_set.kind] - 1, 0)

    def has_parts(self, page_set: PageSet) -> bool:
        """Whether this is the page or the site map of a month with parts, or one of them."""
        return page_set.kind in PART_LIMITS and self.closed_parts(page_set) > 0

    def with_parts(self, page_set: PageSet) -> list[PageSet]:
        """A month's page or site map, and its parts, newest first."""
        parts = range(self.closed_parts(page_set), 0, -1)
        return [page_set, *(page_set._replace(part=part) for part in parts)]

    def month_pages(self, slug: str) -> Iterator[PageSet]:
        """The pages of a listing's months, with all parts."""
        for month, _ in self.months(slug):
            yield from self.with_parts(PageSet(PageKind.MONTH, slug, month))

    def site_maps(self) -> Iterator[PageSet]:
        """The site maps of items, with all parts, newest first."""
        for month, _ in self.months(ALL_SLUG):
            yield from self.with_parts(PageSet(PageKind.SITEMAP, "", month))

    def adjacent_pages(self, page: PageSet) -> tuple[PageSet | None, PageSet | None]:
        """The pages with the next older and the next newer items: parts, or pages of months.

        Newer than a month's own page is the later month's own page, past that month's parts.
        """
        older, newer = self.adjacent_months(page.slug, page.month)
        parts = self.with_parts(page._replace(part=0))
        at = parts.index(page)
        before = parts[at + 1] if at + 1 < len(parts) else page._replace(month=older, part=0)
        after = parts[at - 1] if at else page._replace(month=newer)
        return before if before.month else None, after if after.month else None

    def adjacent_months(self, slug: str, month: str) -> tuple[str, str]:
        """The nearest earlier and later months with items; empty for none."""
        older = "SELECT max(month) FROM month WHERE slug = ? AND month < ?"
        newer = "SELECT min(month) FROM month WHERE slug = ? AND month > ?"
        before, after = self._value(older, slug, month), self._value(newer, slug, month)
        return str(before or ""), str(after or "")

    def used_slugs(self) -> list[str]:
        """Slugs of all listings with items, found by an index skip scan."""
        slugs: list[str] = []
        sql = "SELECT slug FROM month WHERE slug > ? ORDER BY slug LIMIT 1"
        after: tuple[str, ...] | None = ("",)
        while after:
            after = self._db.execute(sql, after).fetchone()
            slugs.extend(after or ())
        return slugs

    def has_items(self, slug: str) -> bool:
        """Whether a listing has items."""
        return self._value("SELECT 1 FROM month WHERE slug = ? LIMIT 1", slug) is not None

    def open_part(self, slug: str) -> PageSet | None:
        """The part that still grows; None for an empty listing."""
        month = self._value("SELECT max(month) FROM month WHERE slug = ?", slug)
        return self._last_part(slug, str(month)) if month else None

    def is_closed_part(self, archive: PageSet) -> bool:
        """Whether this part exists and is not the last."""
        items = self.count_month_items(archive.slug, archive.month)
        exists = 0 <= (archive.part - 1) * FEED_LIMIT < items
        return exists and archive != self.open_part(archive.slug)

    def previous_part(self, part: PageSet) -> PageSet | None:
        """The previous part, in this month or an earlier one."""
        if part.part > 1:
            return part._replace(part=part.part - 1)
        older, _ = self.adjacent_months(part.slug, part.month)
        return self._last_part(part.slug, older) if older else None

    def next_part(self, part: PageSet) -> PageSet | None:
        """The next part, in this month or a later one."""
        if part.part * FEED_LIMIT < self.count_month_items(part.slug, part.month):
            return part._replace(part=part.part + 1)
        _, newer = self.adjacent_months(part.slug, part.month)
        return PageSet(PageKind.ARCHIVE, part.slug, newer, 1) if newer else None

    def all_parts(self, slug: str) -> Iterator[PageSet]:
        """All parts of a listing, including the open one."""
        for month, _ in self.months(slug):
            last = self._last_part(slug, month)
            yield from (last._replace(part=number) for number in range(1, last.part + 1))

    def move_item(
        self, content_id: str, entries: Collection[ListingEntry], listed_slugs: Collection[str]
    ) -> set[PageSet]:
        """Replace the item's entries by *entries*; return the page sets whose content changes.

        Pages of *listed_slugs* name the item.
        """
        old = set(self._entries_of(content_id))
        changed: set[PageSet] = set()
        for entry in old.difference(entries):
            changed |= self._page_sets_shifted_by(entry)
            self._remove_entry(entry)
            changed |= self._page_sets_shifted_by(entry)
        self._put_entries(old, entries, listed_slugs)
        for entry in set(entries) - old:
            changed |= self._page_sets_shifted_by(entry)
        for entry in old.intersection(entries):
            changed |= self._page_sets_naming(entry, self._rank(entry))
        return changed

    def place_item(
        self, content_id: str, entries: Collection[ListingEntry], listed_slugs: Collection[str]
    ) -> None:
        """As `move_item`, where every page set is to be written."""
        old = set(self._entries_of(content_id))
        for entry in old.difference(entries):
            self._remove_entry(entry)
        self._put_entries(old, entries, listed_slugs)

    def slugs_of_item(self, content_id: str) -> list[str]:
        """Slugs of all listings with an entry of the item, listed or not."""
        return [entry.slug for entry in self._entries_of(content_id)]

    def feed_with_item(self, slug: str, content_id: str) -> PageSet | None:
        """The feed, or else the archive, with the item; None for neither."""
        if content_id in self.feed_items(slug):
            return PageSet(PageKind.FEED, slug)
        entries = [entry for entry in self._entries_of(content_id) if entry.slug == slug]
        return self._archive_of(entries[0], self._rank(entries[0])) if entries else None

    def page_sets_of(self, content_id: str) -> list[PageSet]:
        """Page sets that name the item, in the order of writing."""
        page_sets: set[PageSet] = set()
        for entry in self._entries_of(content_id):
            page_sets |= self._page_sets_naming(entry, self._rank(entry))
        return sorted(page_sets, key=lambda page_set: (page_set.rank, page_set))

    def _put_entries(
        self,
        old: Collection[ListingEntry],
        entries: Iterable[ListingEntry],
        listed_slugs: Collection[str],
    ) -> None:
        """Add *entries* to those that the item has, *old*; pages of *listed_slugs* name it."""
        added = [(entry, entry.slug in listed_slugs) for entry in entries if entry not in old]
        self._db.executemany(_ADD_SQL, [(*entry.key, on, entry.changed_us) for entry, on in added])
        self._db.executemany(_ADD_MONTH_SQL, [(entry.slug, entry.month, on) for entry, on in added])
        for entry in entries:
            if entry in old:
                self._set_listed(entry, listed=entry.slug in listed_slugs)

    def _set_listed(self, entry: ListingEntry, *, listed: bool) -> None:
        """Show the entry on pages, or leave it out."""
        self._db.execute(_COUNT_SQL, (listed, *entry.key, entry.slug, entry.month))
        self._db.execute(_LIST_SQL, (listed, entry.changed_us, *entry.key))

    def _remove_entry(self, entry: ListingEntry) -> None:
        self._set_listed(entry, listed=False)
        sql = "DELETE FROM shelf WHERE slug = ? AND published = ? AND content_id = ?"
        self._db.execute(sql, entry.key)
        key = (entry.slug, entry.month)
        self._db.execute("UPDATE month SET items = items - 1 WHERE slug = ? AND month = ?", key)
        self._db.execute("DELETE FROM month WHERE slug = ? AND month = ? AND items = 0", key)

    def _page_sets_shifted_by(self, entry: ListingEntry) -> set[PageSet]:
        """Page sets that may change when *entry* is added or removed; later parts shift."""
        rank, last = self._rank(entry), self._last_part(entry.slug, entry.month)
        first = self._archive_of(entry, rank)
        changed = self._page_sets_naming(entry, rank) | self._month_parts_from(entry, rank)
        changed |= {first._replace(part=number) for number in range(first.part, last.part + 1)}
        if following := self.next_part(last):
            changed.add(following)
        items = self.count_month_items(entry.slug, entry.month)
        if (items - 1) % FEED_LIMIT == 0:  # alone in its last part
            closing = self.previous_part(last)
            linking = self.previous_part(closing) if closing else None
            changed |= {part for part in (closing, linking) if part}
        return changed | self._page_sets_linking_month(entry) if items <= 1 else changed

    def _page_sets_naming(self, entry: ListingEntry, rank: int) -> set[PageSet]:
        """Page sets that name the entry's item; *rank*: items of the month before it."""
        slug = entry.slug
        page_sets = {PageSet(kind, slug) for kind in (PageKind.FEED, PageKind.LISTING)}
        page_sets |= {self._archive_of(entry, rank)}
        page_sets |= {self._part_at(page, rank) for page in _month_page_sets(entry)}
        return page_sets | {PageSet(PageKind.HOME)} if slug == ALL_SLUG else page_sets

    def _month_parts_from(self, entry: ListingEntry, rank: int) -> set[PageSet]:
        """The month's pages and site maps from that with the item of this *rank* to the newest.

        Also the last part and those that link to it, if it may be new, or have to go.
        """
        changed: set[PageSet] = set()
        items = self.count_month_items(entry.slug, entry.month)
        for page in _month_page_sets(entry):
            limit, closed = PART_LIMITS[page.kind], self.closed_parts(page)
            first = rank // limit + 1
            if closed and items % limit == 0:
                first = min(first, max(closed - 1, 1))
                changed |= {PageSet(PageKind.SITEMAP_INDEX)} if not page.slug else set()
            changed |= {page._replace(part=part) for part in range(first, closed + 1)} | {page}
        return changed

    def _part_at(self, page: PageSet, rank: int) -> PageSet:
        """The part of a month's page or site map that has the month's item of this *rank*."""
        part = rank // PART_LIMITS[page.kind] + 1
        return page._replace(part=part) if part <= self.closed_parts(page) else page

    def _page_sets_linking_month(self, entry: ListingEntry) -> set[PageSet]:
        """Page sets that link to the entry's month: adjacent months and overviews."""
        adjacent = self.adjacent_months(entry.slug, entry.month)
        months = [PageSet(PageKind.MONTH, entry.slug, month) for month in adjacent if month]
        ends = {end for page in months for end in (page, self.with_parts(page)[-1])}
        return ends | {PageSet(PageKind.OVERVIEWS), PageSet(PageKind.SITEMAP_INDEX)}

    def _archive_of(self, entry: ListingEntry, rank: int) -> PageSet:
        return PageSet(PageKind.ARCHIVE, entry.slug, entry.month, rank // FEED_LIMIT + 1)

    def _rank(self, entry: ListingEntry) -> int:
        """Items of the month before this one: counted from its end, near which most changes are."""
        slug, at, content_id = entry.key
        first, end = month_bounds(entry.month)
        newer = int(self._value(_NEWER_SQL, slug, at, at, content_id, end, FEED_LIMIT) or 0)
        if newer < FEED_LIMIT:
            is_there = self._value(_ENTRY_SQL, *entry.key) is not None
            return self.count_month_items(slug, entry.month) - newer - is_there
        return int(self._value(_RANK_SQL, slug, first, at, content_id) or 0)

    def _last_part(self, slug: str, month: str) -> PageSet:
        parts = -(-self.count_month_items(slug, month) // FEED_LIMIT)
        return PageSet(PageKind.ARCHIVE, slug, month, max(1, parts))

    def _entries_of(self, content_id: str) -> list[ListingEntry]:
        sql = "SELECT slug, published FROM shelf WHERE content_id = ?"
        rows = self._db.execute(sql, (content_id,))
        return [ListingEntry(slug, published, content_id) for slug, published in rows]

    def _content_ids(self, sql: str, values: tuple[str | int, ...]) -> list[str]:
        return [content_id for (content_id,) in self._db.execute(sql, values)]


def _month_page_sets(entry: ListingEntry) -> list[PageSet]:
    """The page of the entry's month, and the month's site map, which has all items."""
    page = PageSet(PageKind.MONTH, entry.slug, entry.month)
    return [page, PageSet(PageKind.SITEMAP, "", entry.month)] if entry.slug == ALL_SLUG else [page]
