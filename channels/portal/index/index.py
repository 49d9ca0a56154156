"""The portal's index: the shown revision of each item, its listings, and pending files.

A commit here is the effect; the files follow. Every committed change that is not yet on disk is
named in `item.undone` and `stale`, so that the next writer can finish it. `item.old_print` and
`stale.old_print` name files that are right and were written in an earlier format."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from channels.portal.index.database import Database
from channels.portal.index.listings import Listings, listing_entries
from channels.portal.model.history import ShownPublication
from channels.portal.model.page_sets import WRITE_RANKS, PageSet, parse_page_set
from contracts.publication import Publication


class Fragments(NamedTuple):
    """The item's entry in each format of a feed, and in the lists of pages."""

    updated: int
    """Microseconds since 1970."""
    line: str
    """For lists of many items; HTML."""
    story: str
    """For lists that say what it is about; HTML."""
    rss: bytes
    atom: bytes
    json: bytes


LAYOUT_VERSION = 3


QUERY_CHUNK = 100
"""So many fragments are read with one query."""


_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS item (
    content_id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    publication TEXT NOT NULL,
    body TEXT NOT NULL,
    undone INTEGER NOT NULL,
    old_print INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS item_undone ON item (content_id) WHERE undone;
CREATE INDEX IF NOT EXISTS item_old_print ON item (content_id) WHERE old_print;
CREATE TABLE IF NOT EXISTS fragment (
    content_id TEXT PRIMARY KEY,
    edition TEXT NOT NULL,
    updated INTEGER NOT NULL,
    line TEXT NOT NULL,
    story TEXT NOT NULL,
    rss BLOB NOT NULL,
    atom BLOB NOT NULL,
    json BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS shelf (
    slug TEXT NOT NULL,
    published INTEGER NOT NULL,
    content_id TEXT NOT NULL,
    listed INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (slug, published, content_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shelf_item ON shelf (content_id);
CREATE INDEX IF NOT EXISTS shelf_changed ON shelf (slug, changed, content_id) WHERE changed > 0;
CREATE TABLE IF NOT EXISTS month (
    slug TEXT NOT NULL,
    month TEXT NOT NULL,
    items INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    PRIMARY KEY (slug, month)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stale (
    old_print INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    place TEXT NOT NULL,
    PRIMARY KEY (old_print, rank, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meanwhile (content_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS untold (slug TEXT PRIMARY KEY, turn INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shown (
    content_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (content_id, revision)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {LAYOUT_VERSION};
COMMIT;
"""


_FRAGMENTS = "SELECT content_id, {} FROM fragment WHERE edition = ? AND content_id IN ({})"


_parse_publication = lru_cache(maxsize=512)(ShownPublication.model_validate_json)


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One item as it is to be shown: the publication as JSON, and its body as sanitised HTML."""

    publication_json: str
    body_html: str

    @property
    def publication(self) -> ShownPublication:
        """The publication; whoever writes an item asks for it several times."""
        return _parse_publication(self.publication_json)


class PortalIndex(Listings, Database):
    """One connection; used by one thread, and only by who holds the folder's lock."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:
            self._db.close()
            raise
        self._path, self._inode = path, path.stat().st_ino

    @property
    def is_current_file(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self._path.exists() and self._path.stat().st_ino == self._inode

    @property
    def layout_version(self) -> int:
        """0 = nobody has laid this index out yet."""
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return version

    def is_new(self) -> bool:
        return self.layout_version == 0

    def create_tables(self) -> None:
        self._db.executescript(_TABLES)

    def current_revision(self, content_id: str) -> int:
        """The revision that is shown, or about to be; 0 for none."""
        found = self._fetch_one("SELECT revision FROM item WHERE content_id = ?", content_id)
        return int(found[0]) if found else 0

    def count_items(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM item").fetchone()[0])

    def find_item(self, content_id: str) -> StoredItem | None:
        found = self._fetch_one(
            "SELECT publication, body FROM item WHERE content_id = ?", content_id
        )
        return StoredItem(*found) if found else None

    def items_after(self, after: str, limit: int) -> list[tuple[str, StoredItem]]:
        """The next items in the order of their ids, each with its id."""
        sought = (
            "SELECT content_id, publication, body FROM item"
            " WHERE content_id > ? ORDER BY content_id LIMIT ?"
        )
        found = self._db.execute(sought, (after, limit))
        return [(content_id, StoredItem(*row)) for content_id, *row in found]

    def put_item(
        self,
        publication: Publication,
        stored: StoredItem,
        slugs: Iterable[str],
        archive_size: int,
        former_slugs: Iterable[str] = (),
    ) -> set[PageSet]:
        """Take *publication* to be shown; what names it, or named it, is stale, and returned.

        *slugs*: the shelves whose pages name it. Feeds keep it where it stood, known as *once* or
        not. *part* = how many items an archive holds.
        """
        name = publication.content_id
        self._db.execute(
            "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, 1, 0)",
            (name, publication.revision, stored.publication_json, stored.body_html),
        )
        self._db.execute("DELETE FROM fragment WHERE content_id = ?", (name,))
        self._db.execute("INSERT OR IGNORE INTO meanwhile VALUES (?)", (name,))
        shelves = list(slugs)
        spots = list(
            listing_entries(publication, [*shelves, *former_slugs, *self.slugs_of_item(name)])
        )
        listed = shelves if publication.action != "withdrawn" else ()
        touched = self.move_item(name, spots, archive_size, listed_slugs=listed)
        self.mark_stale(touched)
        return touched

    def put_fragments(self, content_id: str, format_hash: str, fragments: Fragments) -> None:
        """Remember how the item is written in feeds and lists."""
        values = (content_id, format_hash, *fragments)
        self._db.execute("INSERT OR REPLACE INTO fragment VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def fragments(
        self, ids: Sequence[str], format_hash: str, names: Sequence[str]
    ) -> dict[str, tuple[Any, ...]]:
        """What `keep` has of these items in this edition: the fragments called *names*."""
        found: dict[str, tuple[Any, ...]] = {}
        for first in range(0, len(ids), QUERY_CHUNK):
            some = ids[first : first + QUERY_CHUNK]
            sql = _FRAGMENTS.format(", ".join(names), ", ".join("?" * len(some)))
            for content_id, *parts in self._db.execute(sql, (format_hash, *some)):
                found[content_id] = tuple(parts)
        return found

    def mark_stale(self, page_sets: Iterable[PageSet], *, stale_format: bool = False) -> None:
        """To be written at once; or, in *old_print*, when there is time."""
        values = [(stale_format, WRITE_RANKS[one.kind], one.key) for one in page_sets]
        self._db.executemany("INSERT OR IGNORE INTO stale VALUES (?, ?, ?)", values)

    def mark_all_unwritten(self) -> None:
        """Every page is missing."""
        self._db.execute("UPDATE item SET undone = 1")

    def mark_all_stale_format(self) -> None:
        """Every page was written by an earlier edition."""
        self._db.execute("UPDATE item SET old_print = 1")

    def unwritten_items(self, limit: int) -> list[StoredItem]:
        """Items whose pages may not say what the index says."""
        found = self._db.execute(
            "SELECT publication, body FROM item WHERE undone ORDER BY content_id LIMIT ?", (limit,)
        )
        return [StoredItem(*pair) for pair in found]

    def stale_format_items(self, limit: int) -> list[StoredItem]:
        """Items whose pages are to be written again when there is time."""
        found = self._db.execute(
            "SELECT publication, body FROM item WHERE old_print ORDER BY content_id LIMIT ?",
            (limit,),
        )
        return [StoredItem(*pair) for pair in found]

    def stale_page_sets(self, limit: int = -1, *, stale_format: bool = False) -> list[PageSet]:
        """Places whose files may not say what the index says, in the order of writing."""
        sought = "SELECT place FROM stale WHERE old_print = ? ORDER BY rank, place LIMIT ?"
        return [parse_page_set(key) for (key,) in self._db.execute(sought, (stale_format, limit))]

    def count_pending(self) -> tuple[int, int]:
        """How many items and places are to be written, at once or when there is time."""
        undone, old, places = (
            int(self._db.execute(f"SELECT count(*) FROM {what}").fetchone()[0])  # noqa: S608 - ours
            for what in ("item WHERE undone", "item WHERE old_print", "stale")
        )
        return undone + old, places

    def start_recording_changes(self) -> None:
        """From now on `meanwhile` names the items that are taken in."""
        self._db.execute("DELETE FROM meanwhile")

    def recorded_changes(self) -> Iterator[StoredItem]:
        """Items that were taken in since `watch`, as they are now."""
        sought = "SELECT publication, body FROM meanwhile JOIN item USING (content_id)"
        for pair in self._db.execute(sought):
            yield StoredItem(*pair)

    def mark_all_pending(self, page_sets: Iterable[PageSet], *, stale_format: bool) -> None:
        """Every file is to be written, at once or when there is time; all items count as shown."""
        self._db.execute("INSERT OR IGNORE INTO shown SELECT content_id, revision FROM item")
        undone = "UPDATE item SET undone = ?, old_print = ?"
        self._db.execute(undone, (not stale_format, stale_format))
        self._db.execute("DELETE FROM stale")
        self.mark_stale(page_sets, stale_format=stale_format)

    def mark_items_written(self, items: Iterable[StoredItem]) -> None:
        publications = [row.publication for row in items]
        names = [(item.content_id, item.revision) for item in publications]
        self._db.executemany("INSERT OR IGNORE INTO shown VALUES (?, ?)", names)
        self._db.executemany(
            "UPDATE item SET undone = 0, old_print = 0 WHERE content_id = ? AND revision = ?", names
        )

    def mark_page_sets_written(self, page_sets: Iterable[PageSet]) -> None:
        done = "DELETE FROM stale WHERE old_print IN (0, 1) AND rank = ? AND place = ?"
        self._db.executemany(done, [(WRITE_RANKS[one.kind], one.key) for one in page_sets])

    def was_shown(self, content_id: str, revision: int) -> bool:
        sought = "SELECT 1 FROM shown WHERE content_id = ? AND revision = ?"
        return self._fetch_one(sought, content_id, revision) is not None

    def metadata(self, name: str) -> str:
        found = self._fetch_one("SELECT value FROM mark WHERE name = ?", name)
        return str(found[0]) if found else ""

    def set_metadata(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (name, value))

    def mark_unannounced(self, slugs: Iterable[str]) -> None:
        """The hub is to be told of these feeds."""
        self._db.executemany(
            "INSERT INTO untold VALUES (?, 1) ON CONFLICT (slug) DO UPDATE SET turn = turn + 1",
            [(slug,) for slug in slugs],
        )

    def unannounced_feeds(self) -> list[tuple[str, int]]:
        """Feeds, and how often each changed since the hub heard of it."""
        return list(self._db.execute("SELECT slug, turn FROM untold ORDER BY slug"))

    def mark_announced(self, slug: str, change_count: int) -> None:
        """The hub knows, unless the feed has changed again meanwhile."""
        self._db.execute("DELETE FROM untold WHERE slug = ? AND turn = ?", (slug, change_count))

    def _fetch_one(self, sql: str, *values: object) -> tuple[str, ...] | None:
        found: tuple[str, ...] | None = self._db.execute(sql, values).fetchone()
        return found
