"""Which items stand on which shelf: the newest, by month, and in parts that become archives.

A month of a shelf is cut into parts of so many items, oldest first. The shelf's last part is open:
the feed itself covers it. Every other part is closed, and is an archive.

Where an item once stood it stays, unlisted: pages leave it out, but the feed goes on to say what
became of it to those who have read it there.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from channels.portal.months import bounds, month_of, ticks
from channels.portal.past import last_change
from channels.portal.places import (
    ARCHIVE,
    FEED,
    HOME,
    LISTS,
    MAP,
    MAPS,
    MONTH,
    RANKS,
    SHELF,
    Place,
)
from channels.portal.site import ALL, CORRECTIONS
from contracts.publication import Publication

NEWEST = """
SELECT content_id FROM shelf WHERE slug = ? AND listed >= ?
ORDER BY published DESC, content_id DESC LIMIT ?
"""
CHANGES = """
SELECT content_id, published FROM shelf WHERE slug = ? AND changed > 0
ORDER BY changed DESC, content_id DESC LIMIT ?
"""
_COUNT = """
UPDATE month SET listed = listed + ? - (
    SELECT listed FROM shelf WHERE slug = ? AND published = ? AND content_id = ?
) WHERE slug = ? AND month = ?
"""
_LIST = """
UPDATE shelf SET listed = ?, changed = ? WHERE slug = ? AND published = ? AND content_id = ?
"""
_RANK = """
SELECT count(*) FROM shelf
WHERE slug = ? AND published >= ? AND (published, content_id) < (?, ?)
"""
PART = """
SELECT content_id FROM shelf WHERE slug = ? AND published >= ? AND published < ?
ORDER BY published, content_id LIMIT ? OFFSET ?
"""
_MONTH = """
SELECT content_id FROM shelf WHERE slug = ? AND published >= ? AND published < ? AND listed
ORDER BY published DESC, content_id DESC
"""

State = tuple[int, int, bool]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an item stands: a shelf, and its place in the shelf's order."""

    slug: str
    published: int  # microseconds
    content_id: str
    changed: int = field(default=0, compare=False)
    """When the text that is shown took the place of another, in microseconds; 0 = it never did."""

    @property
    def month(self) -> str:
        return month_of(self.published)


def spots_of(publication: Publication, slugs: Iterable[str]) -> Iterator[Spot]:
    """Where the item stands: by its first release, and among corrections by the last of these."""
    first = ticks(publication.first_shown_at)
    last = max(first, ticks(publication.shown_at))
    changed = last if last > first or publication.action != "published" else 0
    change = last_change(publication)
    wrong = max(first, ticks(change.at)) if change else last
    for slug in dict.fromkeys(slugs):
        age = wrong if slug == CORRECTIONS else first
        yield Spot(slug, age, publication.content_id, changed)


class Shelves:
    """The part of the index that knows shelves; the tables are laid out by `Index`."""

    _db: sqlite3.Connection

    @property
    def state(self) -> State:
        """Another one whenever anybody may have written; what is undone counts as another, too."""
        seen: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return seen, self._db.total_changes, self._db.in_transaction

    def newest(self, slug: str, limit: int, *, listed: bool = False) -> list[str]:
        """Ids, newest first; as fast with 100,000 items as with 100. *listed*: those of pages."""
        return self._ids(NEWEST, (slug, int(listed), limit))

    def in_feed(self, slug: str, limit: int, more: int) -> list[str]:
        """The *limit* newest, and *more* older ones, those that were changed last; newest first."""
        newest = self.newest(slug, limit)
        changed = self._db.execute(CHANGES, (slug, limit + more))
        older = [(published, one) for one, published in changed if one not in newest][:more]
        return newest + [one for _, one in sorted(older, reverse=True)]

    def of_month(self, slug: str, month: str) -> list[str]:
        """What a month's page lists, newest first."""
        return self._ids(_MONTH, (slug, *bounds(month)))

    def of_part(self, archive: Place, size: int) -> list[str]:
        """A part's items, oldest first."""
        first = (archive.part - 1) * size
        return self._ids(PART, (archive.slug, *bounds(archive.month), size, first))

    def months(self, slug: str) -> list[tuple[str, int]]:
        """The shelf's months, newest first, and how many items the page of each lists."""
        sought = "SELECT month, listed FROM month WHERE slug = ? ORDER BY month DESC"
        return list(self._db.execute(sought, (slug,)))

    def in_month(self, slug: str, month: str) -> int:
        """How many items the month has; 0 = there is no such month."""
        sought = "SELECT items FROM month WHERE slug = ? AND month = ?"
        found = self._db.execute(sought, (slug, month)).fetchone()
        return int(found[0]) if found else 0

    def neighbours(self, slug: str, month: str) -> tuple[str, str]:
        """The nearest months with items before and after; empty for none."""
        older = "SELECT max(month) FROM month WHERE slug = ? AND month < ?"
        newer = "SELECT min(month) FROM month WHERE slug = ? AND month > ?"
        found = [self._db.execute(sql, (slug, month)).fetchone()[0] for sql in (older, newer)]
        return found[0] or "", found[1] or ""

    def slugs(self) -> list[str]:
        """Every shelf that has an item, found by skipping from one to the next."""
        found: list[str] = []
        sought = "SELECT slug FROM month WHERE slug > ? ORDER BY slug LIMIT 1"
        after: tuple[str, ...] | None = ("",)
        while after:
            after = self._db.execute(sought, after).fetchone()
            found.extend(after or ())
        return found

    def open_part(self, slug: str, size: int) -> Place | None:
        """The part that grows still; None for an empty shelf."""
        sought = "SELECT max(month) FROM month WHERE slug = ?"
        month = self._db.execute(sought, (slug,)).fetchone()[0]
        return self._last(slug, month, size) if month else None

    def is_closed(self, archive: Place, size: int) -> bool:
        """Whether this part exists, and others follow."""
        exists = 1 <= archive.part <= -(-self.in_month(archive.slug, archive.month) // size)
        return exists and archive != self.open_part(archive.slug, size)

    def before(self, part: Place, size: int) -> Place | None:
        """The part before, in this month or an earlier one."""
        if part.part > 1:
            return part._replace(part=part.part - 1)
        older, _ = self.neighbours(part.slug, part.month)
        return self._last(part.slug, older, size) if older else None

    def after(self, part: Place, size: int) -> Place | None:
        """The part that follows, in this month or a later one."""
        if part.part * size < self.in_month(part.slug, part.month):
            return part._replace(part=part.part + 1)
        _, newer = self.neighbours(part.slug, part.month)
        return Place(ARCHIVE, part.slug, newer, 1) if newer else None

    def parts(self, slug: str, size: int) -> Iterator[Place]:
        """All parts of a shelf, the open one too."""
        for month, _ in self.months(slug):
            last = self._last(slug, month, size)
            yield from (last._replace(part=number) for number in range(1, last.part + 1))

    def move(
        self, content_id: str, spots: Collection[Spot], size: int, *, listed: Collection[str]
    ) -> set[Place]:
        """Let the item stand on *spots* alone; returns the places that say something else now.

        *listed*: the shelves whose pages name it.
        """
        old = set(self._spots(content_id))
        touched: set[Place] = set()
        for spot in old.difference(spots):
            touched |= self._around(spot, size)
            self._take_off(spot)
            touched |= self._around(spot, size)
        for spot in set(spots) - old:
            touched |= self._put_on(spot, size)
        for spot in spots:
            self._list(spot, listed=spot.slug in listed)
        for spot in old.intersection(spots):
            touched |= self._at(spot, self._part_of(spot, size))
        return touched

    def shelves_of(self, content_id: str) -> list[str]:
        """Where the item stands, or stood once."""
        return [spot.slug for spot in self._spots(content_id)]

    def place_in(self, slug: str, content_id: str, limit: int, more: int) -> Place | None:
        """The feed, or else the archive, in which readers find the item; None for neither."""
        if content_id in self.in_feed(slug, limit, more):
            return Place(FEED, slug)
        here = [spot for spot in self._spots(content_id) if spot.slug == slug]
        return self._part_of(here[0], limit) if here else None

    def places_of(self, content_id: str, size: int) -> list[Place]:
        """The places that name the item, in the order of writing."""
        spots = self._spots(content_id)
        found = set[Place]().union(*(self._at(spot, self._part_of(spot, size)) for spot in spots))
        return sorted(found, key=lambda one: (RANKS[one.kind], one))

    def _put_on(self, spot: Spot, size: int) -> set[Place]:
        values = (spot.slug, spot.published, spot.content_id)
        self._db.execute("INSERT INTO shelf VALUES (?, ?, ?, 0, 0)", values)
        self._db.execute(
            "INSERT INTO month VALUES (?, ?, 1, 0)"
            " ON CONFLICT (slug, month) DO UPDATE SET items = items + 1",
            (spot.slug, spot.month),
        )
        return self._around(spot, size)

    def _list(self, spot: Spot, *, listed: bool) -> None:
        """Have the pages name the item that stands there, or leave it out."""
        here = (spot.slug, spot.published, spot.content_id)
        self._db.execute(_COUNT, (listed, *here, spot.slug, spot.month))
        self._db.execute(_LIST, (listed, spot.changed, *here))

    def _take_off(self, spot: Spot) -> None:
        self._list(spot, listed=False)
        self._db.execute(
            "DELETE FROM shelf WHERE slug = ? AND published = ? AND content_id = ?",
            (spot.slug, spot.published, spot.content_id),
        )
        here = (spot.slug, spot.month)
        self._db.execute("UPDATE month SET items = items - 1 WHERE slug = ? AND month = ?", here)
        self._db.execute("DELETE FROM month WHERE slug = ? AND month = ? AND items = 0", here)

    def _around(self, spot: Spot, size: int) -> set[Place]:
        """What may differ when an item comes to *spot* or leaves it: later parts shift."""
        first = self._part_of(spot, size)
        last = self._last(spot.slug, spot.month, size)
        shifted = {first._replace(part=n) for n in range(first.part, last.part + 1)}
        touched = self._at(spot, first) | shifted
        if following := self.after(last, size):
            touched.add(following)
        if (self.in_month(spot.slug, spot.month) - 1) % size == 0:  # alone in its last part
            touched |= self._two_before(last, size)
        if self.in_month(spot.slug, spot.month) <= 1:
            touched |= self._first_of_month(spot)
        return touched

    def _at(self, spot: Spot, part: Place) -> set[Place]:
        """What names the item that stands there."""
        slug, month = spot.slug, spot.month
        touched = {part, Place(FEED, slug), Place(SHELF, slug), Place(MONTH, slug, month)}
        everywhere = {Place(HOME), Place(MAP, "", month)}
        return touched | everywhere if slug == ALL else touched

    def _first_of_month(self, spot: Spot) -> set[Place]:
        """The months on both sides point to a month that comes or goes; lists name new shelves."""
        beside = self.neighbours(spot.slug, spot.month)
        months = {Place(MONTH, spot.slug, month) for month in beside if month}
        return months | {Place(LISTS), Place(MAPS)}

    def _two_before(self, part: Place, size: int) -> set[Place]:
        """The one that closes now, and the one that points to it."""
        closing = self.before(part, size)
        pointing = self.before(closing, size) if closing else None
        return {one for one in (closing, pointing) if one}

    def _part_of(self, spot: Spot, size: int) -> Place:
        return Place(ARCHIVE, spot.slug, spot.month, self._rank(spot) // size + 1)

    def _rank(self, spot: Spot) -> int:
        """How many items of its month stand before it."""
        first, _ = bounds(spot.month)
        values = (spot.slug, first, spot.published, spot.content_id)
        return int(self._db.execute(_RANK, values).fetchone()[0])

    def _last(self, slug: str, month: str, size: int) -> Place:
        return Place(ARCHIVE, slug, month, max(1, -(-self.in_month(slug, month) // size)))

    def _spots(self, content_id: str) -> list[Spot]:
        sought = "SELECT slug, published FROM shelf WHERE content_id = ?"
        found = self._db.execute(sought, (content_id,))
        return [Spot(slug, published, content_id) for slug, published in found]

    def _ids(self, sql: str, values: tuple[str | int, ...]) -> list[str]:
        return [content_id for (content_id,) in self._db.execute(sql, values)]
