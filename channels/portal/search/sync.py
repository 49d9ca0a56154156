"""Keeps the catalogue beside the index: whoever writes an item's page has its words found, too."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import structlog

from channels.portal.index.index import PortalIndex, StoredItem
from channels.portal.model.site import Site
from channels.portal.search.document import DOCUMENT_VERSION
from channels.portal.search.index import SearchDocument, SearchIndex
from channels.portal.storage.atomic_files import sync_folder

log = structlog.get_logger()
SEARCH_INDEX_FILE, NEXT_SEARCH_INDEX_FILE = "search.sqlite", "search.sqlite.next"
CHUNK_SIZE = 100
"""So many items are learnt at once, while others wait for the folder."""


class SearchSync:
    """The catalogue's one writer, for whoever holds the folder's lock.

    *paper* is what a row says, None for an item that was withdrawn. A file that is missing, broken
    or of another edition is made anew from the index, some items at a time: nothing is only here.
    That happens in another file, so that searches find all that they found until it is whole.
    """

    def __init__(
        self, folder: Path, site: Site, to_document: Callable[[StoredItem], SearchDocument | None]
    ) -> None:
        self._active, self._next = (
            SearchIndexFile(folder / SEARCH_INDEX_FILE),
            SearchIndexFile(folder / NEXT_SEARCH_INDEX_FILE),
        )
        self._to_document = to_document
        learnt = f"{DOCUMENT_VERSION} {site.vocabulary.model_dump_json()}"
        self._format_hash = sha256(learnt.encode()).hexdigest()

    def close(self) -> None:
        self._active.close()
        self._next.close()

    def prepare(self) -> None:
        """Begin another catalogue where this one is not right. Raises sqlite3.Error, OSError."""
        if (
            self._active_format_hash() == self._format_hash
            or self._build_progress()[0] == self._format_hash
        ):
            return
        self._next.delete()
        self._next.open().start_build(self._format_hash)

    def continue_build(self, index: PortalIndex) -> int:
        """Go on with the one that was begun; how many items it has learnt. Raises as `ready`."""
        edition, after = self._build_progress()
        if edition != self._format_hash:
            return 0
        rows = index.items_after(after, CHUNK_SIZE)
        catalogue = self._next.open()
        with catalogue.transaction():
            self._index_items(catalogue, [row for _, row in rows])
            if rows:
                catalogue.record_progress(rows[-1][0])
        if len(rows) < CHUNK_SIZE:
            self._activate(catalogue)
        return len(rows)

    def index_items(self, items: Sequence[StoredItem]) -> None:
        """Have *rows* found as they are now. Raises sqlite3.Error, OSError."""
        for catalogue in self._usable_indexes():
            with catalogue.transaction():
                self._index_items(catalogue, items)

    def remove_unknown(self, index: PortalIndex) -> None:
        """Drop what the index does not have. Raises sqlite3.Error, OSError."""
        for catalogue in self._usable_indexes():
            gone = [one for one in catalogue.content_ids() if not index.current_revision(one)]
            with catalogue.transaction():
                catalogue.remove(gone)

    def _index_items(self, search_index: SearchIndex, items: Sequence[StoredItem]) -> None:
        for row in items:
            if paper := self._to_document(row):
                search_index.put([paper])
            else:
                search_index.remove([row.publication.content_id])

    def _usable_indexes(self) -> Iterator[SearchIndex]:
        """The one that is searched, if it is whole, and the one that is being made."""
        if self._active_format_hash():
            yield self._active.open()
        if self._build_progress()[0]:
            yield self._next.open()

    def _active_format_hash(self) -> str:
        """The edition of the one that is searched; empty where none is whole."""
        try:
            return self._active.open().complete_format_hash() if self._active.exists() else ""
        except sqlite3.DatabaseError as broken:
            self._active.delete_damaged(broken)
            return ""

    def _build_progress(self) -> tuple[str, str]:
        try:
            return self._next.open().build_progress() if self._next.exists() else ("", "")
        except sqlite3.DatabaseError as broken:
            self._next.delete_damaged(broken)
            return "", ""

    def _activate(self, built: SearchIndex) -> None:
        """The new one is whole: from here on it is the one that is searched."""
        built.mark_complete(self._format_hash)
        if not self._active_format_hash():
            self._active.delete()  # and the journal, which is not the new one's
        self.close()
        self._next.move_to(self._active)
        log.info("search_catalogue_made")


class SearchIndexFile:
    """A catalogue's file, opened when it is needed; anew where somebody has put another there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: SearchIndex | None = None

    def exists(self) -> bool:
        return self._path.exists()

    def close(self) -> None:
        if self._opened:
            self._opened.close()
            self._opened = None

    def open(self) -> SearchIndex:
        """Raises sqlite3.Error."""
        if self._opened is not None and not self._opened.is_current_file:
            self.close()
        if self._opened is None:
            self._opened = SearchIndex(self._path)
        return self._opened

    def move_to(self, other: "SearchIndexFile") -> None:
        self._path.replace(other._path)
        sync_folder(self._path.parent)

    def delete(self) -> None:
        self.close()
        for left in (self._path, self._path.with_name(f"{self._path.name}-journal")):
            left.unlink(missing_ok=True)

    def delete_damaged(self, error: sqlite3.DatabaseError) -> None:
        """A damaged file goes; raises *broken* for trouble that passes, as a full disk does."""
        if isinstance(error, sqlite3.OperationalError) and not _lacks_tables(error):
            raise error
        log.error("search_catalogue_broken", error=type(error).__name__)
        self.delete()


def _lacks_tables(broken: sqlite3.OperationalError) -> bool:
    """Whether it is a file of ours at all: one without our tables is not."""
    return broken.sqlite_errorcode == sqlite3.SQLITE_ERROR
