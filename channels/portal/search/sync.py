"""Synchronization of the search index with the portal's index."""

import sqlite3
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import structlog

from channels.portal.index.index import PortalIndex, StoredItem
from channels.portal.model.site import Site
from channels.portal.search.document import DOCUMENT_VERSION
from channels.portal.search.index import SearchDocument, SearchIndex
from channels.portal.storage.atomic_files import sync_folder

log = structlog.get_logger()
T = TypeVar("T")
SEARCH_INDEX_FILE, NEXT_SEARCH_INDEX_FILE = "search.sqlite", "search.sqlite.next"
CHUNK_SIZE = 100
"""Items indexed per round, while other writers wait for the folder."""


class SearchSync:
    """The only writer of the search index; needs the folder's lock.

    *to_document* returns None for a withdrawn item. A search index that is missing, damaged or of
    another format is rebuilt from the portal's index, some items at a time, in a second file.
    Searches use the old file until the new one is complete.
    """

    def __init__(
        self, folder: Path, site: Site, to_document: Callable[[StoredItem], SearchDocument | None]
    ) -> None:
        self._active = _SearchIndexFile(folder / SEARCH_INDEX_FILE)
        self._next = _SearchIndexFile(folder / NEXT_SEARCH_INDEX_FILE)
        self._to_document = to_document
        hashed_format = f"{DOCUMENT_VERSION} {site.vocabulary.model_dump_json()}"
        self.format_hash = sha256(hashed_format.encode()).hexdigest()

    def close(self) -> None:
        self._active.close()
        self._next.close()

    def prepare(self) -> None:
        """Start a rebuild if the index is not current. Raises sqlite3.Error, OSError."""
        if self.format_hash in (self._active_format_hash(), self._build_progress()[0]):
            return
        self._next.delete()
        self._next.open().start_build(self.format_hash)

    def continue_build(self, index: PortalIndex) -> int:
        """Continue a rebuild; return the number of items indexed. Raises as `prepare`."""
        format_hash, after = self._build_progress()
        if format_hash != self.format_hash:
            return 0
        items = index.items_after(after, CHUNK_SIZE)
        search_index = self._next.open()
        with search_index.transaction():
            self._index_items(search_index, [stored for _, stored in items])
            if items:
                search_index.record_progress(items[-1][0])
        if len(items) < CHUNK_SIZE:
            self._activate(search_index)
        return len(items)

    def index_items(self, items: Sequence[StoredItem]) -> None:
        """Index the items in their current state. Raises sqlite3.Error, OSError.

        An index that is being built gets those that it has passed: it comes to the others itself.
        """
        if self._active_format_hash():
            self._index_together(self._active.open(), items)
        format_hash, after = self._build_progress()
        if format_hash:
            passed = [stored for stored in items if stored.publication.content_id <= after]
            self._index_together(self._next.open(), passed)

    def _index_together(self, search_index: SearchIndex, items: Sequence[StoredItem]) -> None:
        with search_index.transaction():
            self._index_items(search_index, items)

    def replace(self, built: Path) -> None:
        """Make the complete index at *built* the active one. Raises as `prepare`."""
        self._active_format_hash()  # a journal that a killed writer left belongs to the old file
        self.close()
        self._next.delete()
        _SearchIndexFile(built).move_to(self._active)

    def _index_items(self, search_index: SearchIndex, items: Sequence[StoredItem]) -> None:
        for stored in items:
            if document := self._to_document(stored):
                search_index.put([document])
            else:
                search_index.remove([stored.publication.content_id])

    def _active_format_hash(self) -> str:
        """Format hash of the active index; empty if none is complete."""
        return self._active.read(SearchIndex.complete_format_hash, "")

    def _build_progress(self) -> tuple[str, str]:
        return self._next.read(SearchIndex.build_progress, ("", ""))

    def _activate(self, built: SearchIndex) -> None:
        """Make the complete index *built* the active one."""
        built.mark_complete(self.format_hash)
        if not self._active_format_hash():
            self._active.delete()  # with its journal, which does not belong to the new file
        self.close()
        self._next.move_to(self._active)
        log.info("search_catalogue_made")


class _SearchIndexFile:
    """A search index file, opened when needed, and again after it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: SearchIndex | None = None

    def read(self, query: Callable[[SearchIndex], T], default: T) -> T:
        """Result of *query*; *default* for a missing file, and for a damaged one, now deleted."""
        try:
            return query(self.open()) if self._path.exists() else default
        except sqlite3.DatabaseError as broken:
            self._delete_damaged(broken)
            return default

    def close(self) -> None:
        if self._opened:
            self._opened.close()
            self._opened = None

    def open(self) -> SearchIndex:
        """Open the current file. Raises sqlite3.Error."""
        if self._opened is not None and not self._opened.is_current_file:
            self.close()
        if self._opened is None:
            self._opened = SearchIndex(self._path)
        return self._opened

    def move_to(self, other: "_SearchIndexFile") -> None:
        self._path.replace(other._path)
        sync_folder(self._path.parent)

    def delete(self) -> None:
        self.close()
        for file in (self._path, self._path.with_name(f"{self._path.name}-journal")):
            file.unlink(missing_ok=True)

    def _delete_damaged(self, error: sqlite3.DatabaseError) -> None:
        """Delete a damaged file; raise *error* if it is temporary, like a full disk."""
        lacks_tables = error.sqlite_errorcode == sqlite3.SQLITE_ERROR
        if isinstance(error, sqlite3.OperationalError) and not lacks_tables:
            raise error
        log.error("search_catalogue_broken", error=type(error).__name__)
        self.delete()
