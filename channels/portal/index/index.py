"""The portal's index: the shown revision of each item, its listings, and pending files.

A commit here is the effect; the files follow. Every committed change that is not yet on disk is
named in `item.undone` and `stale`, so that the next writer can finish it. `item.old_print` and
`stale.old_print` name files that are right and were written in an earlier format."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from channels.portal.index.campaigns import Campaigns
from channels.portal.index.listings import listing_entries
from channels.portal.model.history import ShownPublication
from channels.portal.model.months import to_microseconds
from channels.portal.model.page_sets import PageKind, PageSet, parse_page_set
from channels.portal.model.site import CORRECTIONS_SLUG
from channels.portal.model.urgent import BAND_MAX, urgent_until
from channels.portal.storage.index_swap import INDEX_FILE
from contracts.base.markdown_size import RENDERED_MAX
from contracts.desk.uploads import FOLDER as UPLOADS_FOLDER
from contracts.desk.uploads import named_by
from contracts.facts.public_figures import PublicFigures
from contracts.publication import Publication


class RelatedItem(NamedTuple):
    """An older item of the same topic, as an item's page names it."""

    content_id: str
    title: str
    language: str
    published_us: int


class ItemPosition(NamedTuple):
    """An item in the revision that the index shows."""

    content_id: str
    revision: int


class Fragments(NamedTuple):
    """One item as rendered for each feed format and for lists on pages."""

    updated: int
    """Microseconds since 1970."""
    line: str
    """For lists of many items; HTML."""
    story: str
    """For lists with summaries; HTML."""
    rss: bytes
    atom: bytes
    json: bytes


LAYOUT_VERSION = 3
_FIGURES = "figures"
"""The name under which the delivery figures are kept."""
_URGENT_TABLE = (
    "CREATE TABLE IF NOT EXISTS urgent ("
    " slug TEXT NOT NULL, published INTEGER NOT NULL, content_id TEXT NOT NULL,"
    " ends INTEGER NOT NULL, PRIMARY KEY (slug, published, content_id)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS urgent_item ON urgent (content_id)",
    "CREATE INDEX IF NOT EXISTS urgent_end ON urgent (ends)",
)
"""Urgent items that have not ended, on each listing's pages. An index of 0.1.0 lacks it."""
_RELATED_MAX = 3
"""Older items of its topic that an item's page names."""
_RELATED_SQL = """
SELECT content_id, json_extract(publication, '$.title'), json_extract(publication, '$.language'),
    shelf.published
FROM shelf JOIN item USING (content_id)
WHERE slug = ?1 AND shelf.published <= ?2 AND (shelf.published, content_id) < (?2, ?3) AND listed
    AND json_extract(publication, '$.action') != 'withdrawn'
ORDER BY shelf.published DESC, content_id DESC LIMIT ?4
"""
_MARK_NEWER_SQL = """
UPDATE item SET undone = 1 WHERE content_id IN (
    SELECT content_id FROM shelf
    WHERE slug = ?1 AND published >= ?2 AND (published, content_id) > (?2, ?3) AND listed
    ORDER BY published, content_id LIMIT ?4
)
"""
"""The items whose pages may name this one: none where it is the newest of its topic."""
_TOPIC_SQL = "SELECT json_extract(publication, '$.topic') FROM item WHERE content_id = ?"
_COVER_TABLE = (
    "CREATE TABLE IF NOT EXISTS cover (content_id TEXT PRIMARY KEY, due INTEGER NOT NULL,"
    " tries INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS cover_due ON cover (due)",
)
"""Items whose cover is to be drawn, and when: first the newest, negative; then tries again."""
_UPLOAD_TABLE = (
    "CREATE TABLE IF NOT EXISTS upload (file TEXT NOT NULL, content_id TEXT NOT NULL,"
    " PRIMARY KEY (file, content_id)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS upload_item ON upload (content_id)",
)
"""Uploaded files, and the items that name them; _NO_ITEM: one that an item named before."""
_NO_ITEM = ""
_KEEP_UPLOADS_SQL = """
INSERT OR IGNORE INTO upload SELECT file, ? FROM upload WHERE content_id = ?
"""
UNUSED_UPLOADS_SQL = """
SELECT file FROM upload WHERE content_id = ?1
    AND NOT EXISTS (SELECT 1 FROM upload AS o WHERE o.file = upload.file AND o.content_id != ?1)
"""
FORGET_NAMED_UPLOADS_SQL = """
DELETE FROM upload WHERE content_id = ?1
    AND EXISTS (SELECT 1 FROM upload AS o WHERE o.file = upload.file AND o.content_id != ?1)
"""
_QUERY_CHUNK = 100
"""Fragments per query."""
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
{";".join((*_URGENT_TABLE, *_COVER_TABLE, *_UPLOAD_TABLE))};
PRAGMA user_version = {LAYOUT_VERSION};
COMMIT;
"""
_BODY = f"substr(body, 1, {RENDERED_MAX + 1})"
"""An earlier Loa may have stored a body without bound: enough of it to see that."""
_ITEMS_AFTER = (
    f"SELECT content_id, publication, {_BODY} FROM item"  # noqa: S608 - ours
    " WHERE content_id > ? ORDER BY content_id LIMIT ?"
)
_SELECT = f"SELECT publication, {_BODY} FROM item"  # noqa: S608 - ours
_UNRENDERED_SQL = """
SELECT item.content_id, publication FROM item LEFT JOIN fragment USING (content_id)
WHERE item.content_id > ? AND fragment.content_id IS NULL ORDER BY item.content_id LIMIT ?
"""
_MAYBE_URGENT = """SELECT publication FROM item WHERE publication LIKE '%"lane":"urgent"%'"""
_MAYBE_COVER = """SELECT publication FROM item WHERE publication LIKE '%"cover":{%'"""
_MAYBE_UPLOAD = f"SELECT publication FROM item WHERE publication LIKE '%/{UPLOADS_FOLDER}/%'"  # noqa: S608 - ours
_PUT_URGENT_SQL = """
INSERT INTO urgent SELECT slug, published, content_id, ? FROM shelf WHERE content_id = ? AND listed
"""
_BAND_SQL = """
SELECT content_id FROM urgent WHERE slug = ? ORDER BY published DESC, content_id DESC LIMIT ?
"""
_PENDING_SQL = """
SELECT content_id, revision FROM item WHERE {} AND content_id > ? ORDER BY content_id LIMIT ?
"""
_STALE_SQL = """
SELECT place FROM stale WHERE old_print = ?1 AND (rank, place) > (?2, ?3)
ORDER BY rank, place LIMIT ?4
"""
_FRAGMENTS = "SELECT content_id, {} FROM fragment WHERE edition = ? AND content_id IN ({})"
_parse_publication = lru_cache(maxsize=512)(ShownPublication.model_validate_json)


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One item of the index: the publication as JSON and its body as sanitised HTML."""

    publication_json: str
    body_html: str

    @property
    def publication(self) -> ShownPublication:
        """The parsed publication, cached because writing an item needs it several times."""
        return _parse_publication(self.publication_json)


class PortalIndex(Campaigns):
    """One connection to the index, for one thread that holds the folder's lock."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")

    @property
    def layout_version(self) -> int:
        """Version of the tables; 0 before they are created."""
        return int(self._value("PRAGMA user_version") or 0)

    def create_tables(self) -> None:
        self._db.executescript(_TABLES)

    def current_revision(self, content_id: str) -> int:
        """The revision that is shown, or committed to be shown; 0 for none."""
        return int(self._value("SELECT revision FROM item WHERE content_id = ?", content_id) or 0)

    def count_items(self) -> int:
        return int(self._value("SELECT count(*) FROM item") or 0)

    def find_item(self, content_id: str) -> StoredItem | None:
        sql = f"{_SELECT} WHERE content_id = ?"
        row = self._db.execute(sql, (content_id,)).fetchone()
        return StoredItem(*row) if row else None

    def items_after(self, after: str, limit: int) -> list[tuple[str, StoredItem]]:
        """The next items in the order of their ids, with the ids."""
        rows = self._db.execute(_ITEMS_AFTER, (after, limit))
        return [(content_id, StoredItem(*row)) for content_id, *row in rows]

    def put_item(
        self,
        publication: Publication,
        stored: StoredItem,
        slugs: Sequence[str],
        former_slugs: Sequence[str] = (),
    ) -> set[PageSet]:
        """Store *publication* to be shown; return the page sets that are stale because of it.

        Pages of *slugs* name the item, as far as `_listed_slugs` says. Feeds keep it in every
        former listing: those stored already and *former_slugs*.
        """
        content_id = publication.content_id
        self._mark_newer(content_id)
        self._store_item(publication, stored)
        feed_slugs = [*slugs, *former_slugs, *self.slugs_of_item(content_id)]
        entries = list(listing_entries(publication, feed_slugs))
        touched = self.move_item(content_id, entries, _listed_slugs(publication, slugs))
        if self.knows_urgent:
            self._put_urgent(publication)
        self._mark_newer(content_id)
        touched |= self._campaign_page_sets(content_id)
        self._want_cover(publication)
        self._put_uploads(publication)
        self.mark_stale(touched)
        return touched

    def put_unrendered(
        self,
        publication: Publication,
        stored: StoredItem,
        slugs: Sequence[str],
        former_slugs: Sequence[str] = (),
    ) -> None:
        """As `put_item` in an index of which every file is to be written.

        Body and fragments follow with `put_rendered`.
        """
        content_id = publication.content_id
        self._store_item(publication, stored)
        feed_slugs = [*slugs, *former_slugs, *self.slugs_of_item(content_id)]
        entries = list(listing_entries(publication, feed_slugs))
        self.place_item(content_id, entries, _listed_slugs(publication, slugs))
        self._put_urgent(publication)
        self._want_cover(publication)
        self._put_uploads(publication)

    def unrendered_items(self, after: str, limit: int) -> list[tuple[str, str]]:
        """Ids and publications of the next items without fragments, in the order of their ids."""
        return list(self._db.execute(_UNRENDERED_SQL, (after, limit)))

    def put_rendered(
        self, content_id: str, body_html: str, format_hash: str, fragments: Fragments
    ) -> None:
        sql = "UPDATE item SET body = ? WHERE content_id = ?"
        self._db.execute(sql, (body_html, content_id))
        self.put_fragments(content_id, format_hash, fragments)

    def _store_item(self, publication: Publication, stored: StoredItem) -> None:
        content_id = publication.content_id
        self._db.execute(
            "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, 1, 0)",
            (content_id, publication.revision, stored.publication_json, stored.body_html),
        )
        self._db.execute("DELETE FROM fragment WHERE content_id = ?", (content_id,))
        self._db.execute("INSERT OR IGNORE INTO meanwhile VALUES (?)", (content_id,))

    def list_withdrawals(self) -> int:
        """List withdrawn items among corrections, where an earlier Loa left them out."""
        sql = "UPDATE shelf SET listed = 1 WHERE slug = ? AND NOT listed"
        count = self._db.execute(sql, (CORRECTIONS_SLUG,)).rowcount
        self._db.execute("UPDATE month SET listed = items WHERE slug = ?", (CORRECTIONS_SLUG,))
        return count

    def related_items(self, content_id: str) -> list[RelatedItem]:
        """The items that appeared last before this one in its topic, newest first."""
        place = self._place_in_topic(content_id)
        rows = self._db.execute(_RELATED_SQL, (*place, _RELATED_MAX)) if place else ()
        return [RelatedItem(*row) for row in rows]

    def _mark_newer(self, content_id: str) -> None:
        """Mark the pages that may name the item as a related one: _RELATED_MAX at most."""
        if place := self._place_in_topic(content_id):
            self._db.execute(_MARK_NEWER_SQL, (*place, _RELATED_MAX))

    def _place_in_topic(self, content_id: str) -> tuple[str, int, str] | None:
        """Topic, time and id by which the topic's listing orders the item."""
        topic = str(self._value(_TOPIC_SQL, content_id) or "")
        entries = [entry for entry in self._entries_of(content_id) if entry.slug == topic]
        return (topic, entries[0].published_us, content_id) if entries else None

    def urgent_items(self, slug: str) -> list[str]:
        """The newest urgent items on the pages of a listing, newest first."""
        return self._content_ids(_BAND_SQL, (slug, BAND_MAX)) if self.knows_urgent else []

    @property
    def knows_urgent(self) -> bool:
        """Whether the index marks urgent items; one of an earlier version does not."""
        return self._value("SELECT 1 FROM sqlite_master WHERE name = 'urgent'") is not None

    def count_urgent(self) -> int:
        return int(self._value("SELECT count(DISTINCT content_id) FROM urgent") or 0)

    def has_urgent_ended(self, now_us: int) -> bool:
        """Whether `end_urgent` has something to do."""
        if not self.knows_urgent:
            return True
        return self._value("SELECT 1 FROM urgent WHERE ends <= ? LIMIT 1", now_us) is not None

    def end_urgent(self, now_us: int) -> None:
        """Forget urgent items that have ended; the pages that name them become stale."""
        if not self.knows_urgent:
            self._collect_urgent()
        rows = self._db.execute("SELECT DISTINCT slug FROM urgent WHERE ends <= ?", (now_us,))
        if slugs := [slug for (slug,) in rows]:
            self._db.execute("DELETE FROM urgent WHERE ends <= ?", (now_us,))
            self.mark_stale([PageSet(PageKind.LISTING, slug) for slug in slugs])
            self.mark_stale([PageSet(PageKind.HOME), PageSet(PageKind.URGENT)])

    def _put_urgent(self, publication: Publication) -> None:
        """Mark the item where pages name it, unless it has no place in the band."""
        content_id, end = publication.content_id, urgent_until(publication)
        was_urgent = self._db.execute("DELETE FROM urgent WHERE content_id = ?", (content_id,))
        if end or was_urgent.rowcount:
            self.mark_stale([PageSet(PageKind.URGENT)])
        if end:
            self._db.execute(_PUT_URGENT_SQL, (to_microseconds(end), content_id))

    def _collect_urgent(self) -> None:
        """Find the urgent items of an index that was made before they were marked."""
        for statement in _URGENT_TABLE:
            self._db.execute(statement)
        for (publication,) in self._db.execute(_MAYBE_URGENT).fetchall():
            self._put_urgent(ShownPublication.model_validate_json(publication))

    @property
    def knows_covers(self) -> bool:
        """Whether the index lists covers to be drawn; one of an earlier version does not."""
        return self._value("SELECT 1 FROM sqlite_master WHERE name = 'cover'") is not None

    def collect_covers(self) -> None:
        """List the covers of all items, in an index that was made before."""
        for statement in _COVER_TABLE:
            self._db.execute(statement)
        for (publication,) in self._db.execute(_MAYBE_COVER).fetchall():
            self._want_cover(ShownPublication.model_validate_json(publication))

    def count_covers(self) -> int:
        """Number of covers to be drawn."""
        return int(self._value("SELECT count(*) FROM cover") or 0)

    def next_cover(self, now_us: int) -> tuple[str, int] | None:
        """The item whose cover is due first, and the number of tries."""
        sql = "SELECT content_id, tries FROM cover WHERE due <= ? ORDER BY due LIMIT 1"
        row: tuple[str, int] | None = self._db.execute(sql, (now_us,)).fetchone()
        return row

    def postpone_cover(self, content_id: str, due_us: int) -> None:
        sql = "UPDATE cover SET due = ?, tries = tries + 1 WHERE content_id = ?"
        self._db.execute(sql, (due_us, content_id))

    def forget_cover(self, content_id: str) -> None:
        """The cover is drawn, or will never be."""
        if self.knows_covers:
            self._db.execute("DELETE FROM cover WHERE content_id = ?", (content_id,))

    def mark_item_stale(self, content_id: str) -> None:
        """Mark the item's page, and the lists that may show its picture."""
        self._db.execute("DELETE FROM fragment WHERE content_id = ?", (content_id,))
        self._db.execute("UPDATE item SET undone = 1 WHERE content_id = ?", (content_id,))
        slugs = self.slugs_of_item(content_id)
        self.mark_stale(PageSet(PageKind.LISTING, slug) for slug in slugs)
        self.mark_stale([PageSet(PageKind.HOME)])

    def _want_cover(self, publication: Publication) -> None:
        has_cover = publication.cover and publication.action != "withdrawn"
        if has_cover and self.knows_covers:
            values = publication.content_id, -to_microseconds(publication.first_shown_at)
            self._db.execute("INSERT OR REPLACE INTO cover VALUES (?, ?, 0)", values)

    @property
    def knows_uploads(self) -> bool:
        """Whether the index lists uploaded files; one of an earlier version does not."""
        return self._value("SELECT 1 FROM sqlite_master WHERE name = 'upload'") is not None

    def collect_uploads(self) -> None:
        """List the uploaded files of all items, in an index that was made before."""
        for statement in _UPLOAD_TABLE:
            self._db.execute(statement)
        for (publication,) in self._db.execute(_MAYBE_UPLOAD).fetchall():
            self._put_uploads(ShownPublication.model_validate_json(publication))

    def named_uploads(self) -> list[str]:
        """The uploaded files that items name, as paths below the public folder."""
        sql = "SELECT DISTINCT file FROM upload WHERE content_id != ? ORDER BY file"
        return self._uploads(sql) if self.knows_uploads else []

    def is_upload_named(self, file: str) -> bool:
        sql = "SELECT 1 FROM upload WHERE file = ? AND content_id != ? LIMIT 1"
        return self._value(sql, file, _NO_ITEM) is not None

    def unused_uploads(self) -> list[str]:
        """Uploaded files that no item names any more, and that were not removed yet."""
        return self._uploads(UNUSED_UPLOADS_SQL) if self.knows_uploads else []

    def forget_unused_uploads(self) -> None:
        """The files of `unused_uploads` are removed."""
        self._db.execute("DELETE FROM upload WHERE content_id = ?", (_NO_ITEM,))

    def _uploads(self, sql: str) -> list[str]:
        return [file for (file,) in self._db.execute(sql, (_NO_ITEM,))]

    def _put_uploads(self, publication: Publication) -> None:
        """Note the files that the item names, and those that it named before."""
        if not self.knows_uploads:
            return
        content_id = publication.content_id
        self._db.execute(_KEEP_UPLOADS_SQL, (_NO_ITEM, content_id))
        self._db.execute("DELETE FROM upload WHERE content_id = ?", (content_id,))
        files = [] if publication.action == "withdrawn" else named_by(publication)
        rows = [(one.file, content_id) for one in files]
        self._db.executemany("INSERT OR IGNORE INTO upload VALUES (?, ?)", rows)
        self._db.execute(FORGET_NAMED_UPLOADS_SQL, (_NO_ITEM,))

    def put_fragments(self, content_id: str, format_hash: str, fragments: Fragments) -> None:
        values = (content_id, format_hash, *fragments)
        self._db.execute("INSERT OR REPLACE INTO fragment VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def fragments(
        self, ids: Sequence[str], format_hash: str, names: Sequence[str]
    ) -> dict[str, tuple[Any, ...]]:
        """Stored fragments of these items in this format: the columns *names*."""
        by_id: dict[str, tuple[Any, ...]] = {}
        for first in range(0, len(ids), _QUERY_CHUNK):
            chunk = ids[first : first + _QUERY_CHUNK]
            sql = _FRAGMENTS.format(", ".join(names), ", ".join("?" * len(chunk)))
            for content_id, *parts in self._db.execute(sql, (format_hash, *chunk)):
                by_id[content_id] = tuple(parts)
        return by_id

    def mark_stale(self, page_sets: Iterable[PageSet], *, stale_format: bool = False) -> None:
        """Mark page sets to be written at once, or, with *stale_format*, when there is time."""
        values = [(stale_format, page_set.rank, page_set.key) for page_set in page_sets]
        self._db.executemany("INSERT OR IGNORE INTO stale VALUES (?, ?, ?)", values)

    def mark_all_items(self, *, stale_format: bool) -> None:
        """Mark every item's page as missing, or as written in an earlier format."""
        column = "old_print" if stale_format else "undone"
        self._db.execute(f"UPDATE item SET {column} = 1")  # noqa: S608 - ours

    def pending_items(
        self, limit: int, after: str = "", *, stale_format: bool = False
    ) -> list[ItemPosition]:
        """Items whose pages may differ from the index, or, with *stale_format*, are outdated."""
        sql = _PENDING_SQL.format("old_print" if stale_format else "undone")
        return [ItemPosition(*row) for row in self._db.execute(sql, (after, limit))]

    def stale_page_sets(
        self, limit: int = -1, after: PageSet | None = None, *, stale_format: bool = False
    ) -> list[PageSet]:
        """Page sets whose files may differ from the index, in the order of writing."""
        place = (after.rank, after.key) if after else (-1, "")
        rows = self._db.execute(_STALE_SQL, (stale_format, *place, limit))
        return [parse_page_set(key) for (key,) in rows]

    def count_pending(self) -> tuple[int, int]:
        """Numbers of items and page sets to be written, at once or when there is time."""
        unwritten, stale_format, page_sets = (
            int(self._value(f"SELECT count(*) FROM {rows}") or 0)  # noqa: S608 - ours
            for rows in ("item WHERE undone", "item WHERE old_print", "stale")
        )
        return unwritten + stale_format, page_sets

    def start_recording_changes(self) -> None:
        """Start recording the ids of stored items in `meanwhile`."""
        self._db.execute("DELETE FROM meanwhile")

    def recorded_changes(self) -> Iterator[StoredItem]:
        """Items stored since the recording started, in their current state."""
        sql = f"{_SELECT} JOIN meanwhile USING (content_id)"
        for row in self._db.execute(sql):
            yield StoredItem(*row)

    def mark_all_shown(self, *, stale_format: bool) -> None:
        """Mark all items as shown, their pages to be written at once or when there is time.

        No page set is marked any more.
        """
        self._db.execute("INSERT OR IGNORE INTO shown SELECT content_id, revision FROM item")
        sql = "UPDATE item SET undone = ?, old_print = ?"
        self._db.execute(sql, (not stale_format, stale_format))
        self._db.execute("DELETE FROM stale")

    def mark_items_written(self, items: Sequence[ItemPosition]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO shown VALUES (?, ?)", items)
        sql = "UPDATE item SET undone = 0, old_print = 0 WHERE content_id = ? AND revision = ?"
        self._db.executemany(sql, items)

    def mark_page_sets_written(self, page_sets: Iterable[PageSet]) -> None:
        sql = "DELETE FROM stale WHERE old_print IN (0, 1) AND rank = ? AND place = ?"
        self._db.executemany(sql, [(page_set.rank, page_set.key) for page_set in page_sets])

    def was_shown(self, content_id: str, revision: int) -> bool:
        sql = "SELECT 1 FROM shown WHERE content_id = ? AND revision = ?"
        return self._value(sql, content_id, revision) is not None

    def metadata(self, name: str) -> str:
        return str(self._value("SELECT value FROM mark WHERE name = ?", name) or "")

    def set_metadata(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (name, value))

    @property
    def figures(self) -> PublicFigures | None:
        """The delivery figures; None without any, or with those of a version that can't be read."""
        try:
            return PublicFigures.model_validate_json(self.metadata(_FIGURES))
        except ValidationError:
            return None

    def set_figures(self, figures: PublicFigures) -> bool:
        """Keep *figures*, whose files are then to be written; False if they are there already."""
        if self.figures == figures:
            return False
        self.set_metadata(_FIGURES, figures.model_dump_json())
        self.mark_stale([PageSet(PageKind.FIGURES)])
        return True

    def mark_unannounced(self, slugs: Iterable[str]) -> None:
        """Mark feeds as changed and not announced to the hub."""
        sql = "INSERT INTO untold VALUES (?, 1) ON CONFLICT (slug) DO UPDATE SET turn = turn + 1"
        self._db.executemany(sql, [(slug,) for slug in slugs])

    def unannounced_feeds(self) -> list[tuple[str, int]]:
        """Feeds with their numbers of changes since the last announcement."""
        return list(self._db.execute("SELECT slug, turn FROM untold ORDER BY slug"))

    def mark_announced(self, slug: str, change_count: int) -> None:
        """Mark a feed as announced, unless it has changed again since."""
        self._db.execute("DELETE FROM untold WHERE slug = ? AND turn = ?", (slug, change_count))


def _listed_slugs(publication: Publication, slugs: Sequence[str]) -> Sequence[str]:
    """Those of *slugs* whose pages name the item: of a withdrawn one only that of corrections."""
    withdrawn = publication.action == "withdrawn"
    return [slug for slug in slugs if slug == CORRECTIONS_SLUG] if withdrawn else slugs


@dataclass(frozen=True, slots=True)
class SnapshotItem:
    """One item of the snapshot; `is_written`: its page is on disk in the current format."""

    content_id: str
    revision: int
    stored: StoredItem
    is_written: bool


def has_tables(path: Path) -> bool:
    """Whether *path* is an index that a writer has begun. Raises sqlite3.Error."""
    if not path.exists():
        return False
    with closing(IndexSnapshot(path)) as snapshot:
        return snapshot.layout_version > 0


def is_usable(folder: Path) -> bool:
    """Whether the portal's *folder* has an index from which its pages can be written."""
    try:
        return has_tables(folder / "state" / INDEX_FILE)
    except sqlite3.Error:
        return False


class IndexSnapshot(PortalIndex):
    """The index at one moment, which does not block its writer; later writes are invisible."""

    def __init__(self, path: Path) -> None:
        """Open *path* without creating files that another user's writer could not open."""
        has_wal = path.with_name(f"{path.name}-wal").exists()
        query = "mode=ro" if has_wal else "immutable=1"
        super(PortalIndex, self).__init__(path, "BEGIN", query=query)

    def all_items(self) -> Iterator[SnapshotItem]:
        sql = f"SELECT content_id, revision, publication, {_BODY}, undone OR old_print FROM item"  # noqa: S608
        rows = self._db.execute(f"{sql} ORDER BY content_id")
        for content_id, revision, *row, is_pending in rows:
            yield SnapshotItem(content_id, revision, StoredItem(*row), not is_pending)

    def shown_revisions(self) -> Iterator[tuple[str, int]]:
        """Every revision that was ever visible, by content id."""
        yield from self._db.execute("SELECT content_id, revision FROM shown")
