"""Rebuild of the portal from publications, while it is being read and written.

    aside     build a new index beside the old one, which records changes meanwhile
    swap      add the recorded changes, and replace the old index by the new one
    write     compare every file with the new index and write those that differ: items first, then
              the files that link to them, some at a time, so that other writers can work
    remove    delete files that the index no longer references

Readers see each file old or new, never half; equal files stay untouched. A kill before the swap
changes nothing; after it, the next writer or rebuild continues. Without any pages, all files are
written at once, and other writers wait.
"""

import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from channels.portal.index.index import (
    LAYOUT_VERSION,
    Fragments,
    IndexSnapshot,
    PortalIndex,
    StoredItem,
)
from channels.portal.model.months import to_microseconds
from channels.portal.model.page_sets import PageKind
from channels.portal.render.site_files import SiteFiles
from channels.portal.search.index import PreparedDocument, SearchIndex, prepare_document
from channels.portal.search.sync import SEARCH_INDEX_FILE, SearchSync
from channels.portal.storage import index_swap
from channels.portal.storage.atomic_files import sync_folder, write_files
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.storage.lock import folder_lock
from channels.portal.writer.audit import FolderAudit
from channels.portal.writer.render_processes import RenderProcesses, process_count
from channels.portal.writer.staging import CHUNK_SIZE
from channels.portal.writer.writer import (
    LOCK_FILE,
    PARTS,
    SITE_MARKER_FILE,
    PortalWriter,
    ReportProgress,
    add_unrendered,
    mark_page_sets,
    no_progress,
    record_format,
)
from contracts.base.times import Clock, utc_now
from contracts.desk.uploads import UploadAddress, parse_file
from contracts.publication import Publication

log = structlog.get_logger()
_REBUILD_LOCK_FILE = "rebuild.lock"
_AT_ONCE = 5 * CHUNK_SIZE
"""So many items and page sets are written before other writers have their turn."""


class RebuildResult(NamedTuple):
    """Numbers of items, written files and removed files."""

    items: int = 0
    written: int = 0
    removed: int = 0


class RenderedItem(NamedTuple):
    """An item as the index has it for feeds, lists and the search; withdrawn: no document."""

    content_id: str
    body_html: str
    fragments: Fragments
    documents: Sequence[PreparedDocument]


class PortalRebuild:
    """A rebuild in progress: add publications in any order, then `finish`.

    *report_progress* gets the numbers of items and page sets written.
    """

    def __init__(
        self,
        folder: Path,
        site_files: SiteFiles,
        lock_timeout_s: float,
        report_progress: ReportProgress = no_progress,
        clock: Clock = time.time,
    ) -> None:
        self._folder, self._state = folder, folder / "state"
        self._aside = self._state / "rebuild"
        self._site_files = site_files.with_covers(folder / "public")
        self._lock_timeout_s = lock_timeout_s
        self._report_progress, self._clock = report_progress, clock
        self._remove_aside()
        self._aside.mkdir()
        self._index = PortalIndex(self._aside / INDEX_FILE)
        self._index.create_tables()
        self._search = SearchIndex(self._aside / SEARCH_INDEX_FILE)
        self._search.create_tables()
        with folder_lock(self._state / LOCK_FILE, lock_timeout_s):
            index_swap.finish_swap(self._state)
            old = self._open_old_index()
            self._is_recording = old is not None
            if old:
                with closing(old):
                    old.start_recording_changes()

    def add_publications(self, publications: Iterable[Publication]) -> None:
        """Store publications. Raises OSError or sqlite3.Error; readers see no change."""
        with self._index.transaction():
            for publication in publications:
                add_unrendered(self._index, self._site_files, publication)

    def add_already_shown(self, publications: Sequence[Publication]) -> None:
        """Store those that the old index has shown. Raises as `add_publications`."""
        if publications:
            self.add_publications(_filter_shown(self._state / INDEX_FILE, publications))

    def named_uploads(self) -> list[UploadAddress]:
        """The uploaded files that items name, to be put in place before `finish`."""
        return [parse_file(file) for file in self._index.named_uploads()]

    def finish(self) -> RebuildResult:
        """Replace the old portal by the new one. Raises FolderBusy, OSError, sqlite3.Error."""
        count = process_count(self._index.count_items())
        with closing(RenderProcesses(self._site_files, count)) as processes:
            self._render_items(processes)
            with folder_lock(self._state / LOCK_FILE, self._lock_timeout_s):
                self._add_recorded_changes()
                self._render_items(processes)
                items = self._index.count_items()
                self._swap()
            given = self._folder, self._site_files, self._lock_timeout_s, self._clock, processes
            with closing(PortalWriter(*given)) as writer:
                self._write_files(writer)
                removed = self._remove_strays()
        self._remove_aside()
        return RebuildResult(items, writer.files_written, removed)

    def close(self) -> None:
        self._index.close()
        self._search.close()

    def _render_items(self, processes: RenderProcesses) -> None:
        """Render what feeds, lists and the search have of the items that were added."""
        for rendered in processes.map(_render_chunk, self._unrendered_items()):
            with self._index.transaction(), self._search.transaction():
                for item in rendered:
                    given = item.content_id, item.body_html, self._site_files.format_hash
                    self._index.put_rendered(*given, item.fragments)
                    self._search.remove([item.content_id])
                    self._search.put_prepared(item.documents)

    def _unrendered_items(self) -> Iterator[list[tuple[str, str]]]:
        after = ""
        while items := self._index.unrendered_items(after, CHUNK_SIZE):
            yield items
            after = items[-1][0]

    def _add_recorded_changes(self) -> None:
        """Add changes since the start, which only the old index has."""
        old = self._open_old_index() if self._is_recording else None
        if old:
            with closing(old):
                self.add_publications([stored.publication for stored in old.recorded_changes()])
                self._keep_metadata(old)
                old.checkpoint()

    def _keep_metadata(self, old: PortalIndex) -> None:
        """Keep the delivery figures, and the sizes of parts if all files have them."""
        with self._index.transaction():
            if not old.stale_page_sets(1):
                self._index.set_metadata(PARTS, old.metadata(PARTS))
            if figures := old.figures:
                self._index.set_figures(figures)

    def _open_old_index(self) -> PortalIndex | None:
        """The old index; None if missing or unreadable."""
        path = self._state / INDEX_FILE
        try:
            index = PortalIndex(path) if path.exists() else None
        except sqlite3.Error:
            return None  # not an index: the reason for this rebuild
        if index and index.layout_version != LAYOUT_VERSION:
            index.close()
            return None
        return index

    def _swap(self) -> None:
        public, aside = self._folder / "public", self._state / "aside"
        has_pages = (public / SITE_MARKER_FILE).exists()
        with self._index.transaction():
            self._index.end_urgent(to_microseconds(utc_now(self._clock)))
            self._index.mark_all_shown(stale_format=has_pages)
            mark_page_sets(self._index, self._site_files, list(PageKind) if has_pages else ())
            record_format(self._index, self._site_files)
            if self._site_files.site.hub:
                self._index.mark_unannounced(self._index.used_slugs())
        self._index.close()
        search = SearchSync(self._state, self._site_files.site, self._site_files.search_document)
        self._search.mark_complete(search.format_hash)
        self._search.close()
        public.mkdir(exist_ok=True)
        aside.mkdir(exist_ok=True)
        write_files(public, aside, self._site_files.fixed_files())
        index_swap.begin_swap(self._aside / INDEX_FILE, self._state)
        index_swap.finish_swap(self._state)
        search.replace(self._aside / SEARCH_INDEX_FILE)

    def _write_files(self, writer: PortalWriter) -> None:
        writer.prepare(report_progress=self._report_progress)
        items, page_sets = writer.count_pending()
        while (rewritten := writer.rewrite_stale(_AT_ONCE)).has_work:
            self._report_progress("items", len(rewritten.items), items)
            self._report_progress("places", len(rewritten.page_sets), page_sets)

    def _remove_strays(self) -> int:
        """Delete files the index no longer references, but keep files written meanwhile."""
        audit, public = FolderAudit(self._folder, self._site_files), self._folder / "public"
        with closing(audit.open_snapshot()) as snapshot:
            suspects = [problem.path for problem in audit.find_strays(snapshot)]
        with (
            folder_lock(self._state / LOCK_FILE, self._lock_timeout_s),
            closing(audit.open_snapshot()) as snapshot,
        ):
            strays = [path for path in suspects if not audit.is_expected(path, snapshot)]
            for path in strays:
                (public / path).unlink(missing_ok=True)
        for folder in {(public / path).parent for path in strays}:
            sync_folder(folder)
        return len(strays)

    def _remove_aside(self) -> None:
        if self._aside.exists():
            shutil.rmtree(self._aside)


def _render_chunk(files: SiteFiles, items: Sequence[tuple[str, str]]) -> list[RenderedItem]:
    """Render items; *items*: their ids and publications."""
    return [_rendered(files, content_id, StoredItem(text, "")) for content_id, text in items]


def _rendered(files: SiteFiles, content_id: str, unrendered: StoredItem) -> RenderedItem:
    stored = files.with_body(unrendered)
    document = files.search_document(stored)
    documents = [prepare_document(document)] if document else []
    return RenderedItem(content_id, stored.body_html, files.fragments(stored), documents)


@contextmanager
def open_rebuild(
    folder: Path,
    site_files: SiteFiles,
    lock_timeout_s: float,
    report_progress: ReportProgress = no_progress,
    clock: Clock = time.time,
) -> Iterator[PortalRebuild]:
    """Rebuild the portal. Raises FolderBusy while another process holds a lock."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    given = folder, site_files, lock_timeout_s, report_progress, clock
    with (
        folder_lock(folder / "state" / _REBUILD_LOCK_FILE, lock_timeout_s),
        closing(PortalRebuild(*given)) as rebuild,
    ):
        yield rebuild


def _filter_shown(index: Path, publications: Sequence[Publication]) -> list[Publication]:
    """Publications that *index* shows or has shown; none if it is unreadable."""
    if not index.exists():
        return []
    try:
        with closing(IndexSnapshot(index)) as snapshot:
            return [
                publication
                for publication in publications
                if snapshot.current_revision(publication.content_id) == publication.revision
                or snapshot.was_shown(publication.content_id, publication.revision)
            ]
    except sqlite3.Error as broken:
        log.warning("portal_index_unreadable", error=type(broken).__name__)
        return []
