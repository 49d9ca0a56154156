"""The portal's own record: which revision of each item is shown, where, and what is undone.

Committing here is the effect; the files follow. Whatever was committed and not yet finished is
named in `item.undone` and `stale`, so that whoever comes next can finish it. `item.old_print` names
pages that are right but were written by an earlier edition of the templates.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.publication import Publication

LAYOUT = 1

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
CREATE TABLE IF NOT EXISTS shelf (
    slug TEXT NOT NULL,
    published INTEGER NOT NULL,
    content_id TEXT NOT NULL,
    PRIMARY KEY (slug, published, content_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shelf_item ON shelf (content_id);
CREATE TABLE IF NOT EXISTS stale (slug TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shown (
    content_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (content_id, revision)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {LAYOUT};
COMMIT;
"""

NEWEST = """
SELECT publication, body FROM shelf JOIN item USING (content_id)
WHERE slug = ? ORDER BY published DESC, content_id DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One item as it is to be shown: the publication as JSON, and its body as sanitised HTML."""

    written: str
    body: str

    @property
    def publication(self) -> Publication:
        """The publication, read anew at every call."""
        return Publication.model_validate_json(self.written)


class Index:
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
    def stands(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self._path.exists() and self._path.stat().st_ino == self._inode

    def is_new(self) -> bool:
        """Whether nobody has laid this index out yet."""
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return version == 0

    def lay_out(self) -> None:
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is raised inside undoes it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def revision(self, content_id: str) -> int:
        """The revision that is shown, or about to be; 0 for none."""
        found = self._one("SELECT revision FROM item WHERE content_id = ?", content_id)
        return int(found[0]) if found else 0

    def row(self, content_id: str) -> Row | None:
        found = self._one("SELECT publication, body FROM item WHERE content_id = ?", content_id)
        return _row(found) if found else None

    def put(self, publication: Publication, row: Row, slugs: Iterable[str]) -> None:
        """Take *publication* to be shown; the shelves that it leaves or enters are stale."""
        self._mark_shelves_of(publication.content_id)
        self._db.execute("DELETE FROM shelf WHERE content_id = ?", (publication.content_id,))
        self._db.execute(
            "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, 1, 0)",
            (publication.content_id, publication.revision, row.written, row.body),
        )
        age = int(publication.first_released_at.timestamp() * 1_000_000)
        places = [(slug, age, publication.content_id) for slug in set(slugs)]
        self._db.executemany("INSERT INTO shelf VALUES (?, ?, ?)", places)
        self._mark_shelves_of(publication.content_id)

    def mark_stale(self, slugs: Iterable[str]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO stale VALUES (?)", [(slug,) for slug in slugs])

    def mark_undone(self) -> None:
        """Every page is missing."""
        self._db.execute("UPDATE item SET undone = 1")

    def mark_old_print(self) -> None:
        """Every page was written by an earlier edition."""
        self._db.execute("UPDATE item SET old_print = 1")

    def undone(self, limit: int) -> list[Row]:
        """Items whose pages may not say what the index says."""
        found = self._db.execute(
            "SELECT publication, body FROM item WHERE undone ORDER BY content_id LIMIT ?", (limit,)
        )
        return [_row(pair) for pair in found]

    def old_print(self, limit: int) -> list[Row]:
        """Items whose pages are to be written again when there is time."""
        found = self._db.execute(
            "SELECT publication, body FROM item WHERE old_print ORDER BY content_id LIMIT ?",
            (limit,),
        )
        return [_row(pair) for pair in found]

    def stale(self) -> list[str]:
        """Shelves whose files may not say what the index says."""
        return [slug for (slug,) in self._db.execute("SELECT slug FROM stale ORDER BY slug")]

    def pages_done(self, rows: Iterable[Row]) -> None:
        publications = [row.publication for row in rows]
        names = [(item.content_id, item.revision) for item in publications]
        self._db.executemany("INSERT OR IGNORE INTO shown VALUES (?, ?)", names)
        self._db.executemany(
            "UPDATE item SET undone = 0, old_print = 0 WHERE content_id = ? AND revision = ?", names
        )

    def shelves_done(self) -> None:
        self._db.execute("DELETE FROM stale")

    def was_shown(self, content_id: str, revision: int) -> bool:
        sought = "SELECT 1 FROM shown WHERE content_id = ? AND revision = ?"
        return self._one(sought, content_id, revision) is not None

    def newest(self, slug: str, limit: int) -> list[Row]:
        """The shelf's items, newest first; as fast with 100,000 items as with 100."""
        return [_row(pair) for pair in self._db.execute(NEWEST, (slug, limit))]

    def slugs(self) -> list[str]:
        """Every shelf that has an item, found by skipping from one to the next."""
        found: list[str] = []
        after: tuple[str, ...] | None = ("",)
        while after:
            after = self._one("SELECT slug FROM shelf WHERE slug > ? ORDER BY slug LIMIT 1", *after)
            found.extend(after or ())
        return found

    def mark(self, name: str) -> str:
        found = self._one("SELECT value FROM mark WHERE name = ?", name)
        return str(found[0]) if found else ""

    def set_mark(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (name, value))

    def _mark_shelves_of(self, content_id: str) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO stale SELECT slug FROM shelf WHERE content_id = ?", (content_id,)
        )

    def _one(self, sql: str, *values: object) -> tuple[str, ...] | None:
        found: tuple[str, ...] | None = self._db.execute(sql, values).fetchone()
        return found


def _row(found: tuple[str, ...]) -> Row:
    written, body = found
    return Row(written, body)
