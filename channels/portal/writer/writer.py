"""How a publication becomes visible: staged, committed to the index, put in place, ticked off.

    stage     all files are written aside and fsynced; a full disk is found here, nothing is visible
    commit    the index takes the revision: from here on it will be shown, whoever finishes it
    swap      the files are renamed into place: item, then feeds, then home
    tick off  the index forgets what was undone

A writer that is killed leaves undone work in the index; whoever takes the lock next finishes it
first. So a row in doubt has an answer: what the index has is delivered, the rest never arrived.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import structlog

from channels.base import Deadline, Outcome, Verdict
from channels.portal.errors import FilesNotWritten, FolderBusy, FolderEmpty, IndexLost, error_reason
from channels.portal.index.index import LAYOUT_VERSION, PortalIndex
from channels.portal.model.page_sets import ARCHIVE, MONTH, SITEMAP
from channels.portal.model.site import Site
from channels.portal.render.site_files import RenderedFile, SiteFiles
from channels.portal.search.sync import SearchSync
from channels.portal.storage import index_swap
from channels.portal.storage.atomic_files import StagedFiles, remove_leftovers
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.storage.lock import folder_lock
from channels.portal.writer.pending import (
    PendingWork,
    ReportProgress,
    add_publication,
    no_progress,
    record_format,
)
from contracts.base.crash_points import crash_point
from contracts.publication import Publication

log = structlog.get_logger()


CHUNK_SIZE = 200


T = TypeVar("T")


LOCK_FILE = "lock"


RETRY_S = 30.0


BUSY_RETRY_S = 5.0


SITE_MARKER_FILE = "404.html"
"""Written last of what every site has; without it the public folder is new, or was emptied."""


class PortalWriter:
    """The only thing that changes the portal's folder; used by one thread.

    `folder/public` is what web servers serve; `folder/state` is nobody's but the writer's.
    """

    def __init__(self, folder: Path, site_files: SiteFiles, lock_timeout_s: float) -> None:
        self.public = folder / "public"
        self._state = folder / "state"
        self._aside = self._state / "aside"
        self._site_files = site_files
        self._lock_timeout_s = lock_timeout_s
        self.files_written = 0
        self._index: PortalIndex | None = None
        self._search_sync = SearchSync(self._state, site_files.site, site_files.search_document)

    @property
    def site(self) -> Site:
        return self._site_files.site

    def close(self) -> None:
        self._search_sync.close()
        if self._index:
            self._index.close()
            self._index = None

    def prepare(
        self, *, allow_new: bool = True, report_progress: ReportProgress = no_progress
    ) -> None:
        """Make the folder ready: finish what a killed writer left, renew what is out of date.

        Raises OSError, sqlite3.Error, Busy, Unfinished or IndexLost, and Empty where a portal would
        have to be begun and *begin* forbids it.
        """
        self.public.mkdir(parents=True, exist_ok=True)
        self._aside.mkdir(parents=True, exist_ok=True)
        with self._locked_index() as index:
            remove_leftovers(self._aside)
            if index.layout_version != LAYOUT_VERSION:
                self._create_index(index, allow_new)
            self._search_sync.prepare()
            self._apply_new_format(index)
            self._write_pending(index, report_progress, index.count_pending())
            self._rewrite_stale(index)

    def rewrite_stale(self, limit: int = CHUNK_SIZE) -> PendingWork:
        """Write again some of what is in old print; returns what that was. Raises as `prepare`."""
        if not self._state.exists():
            return PendingWork()
        with self._locked_index() as index:
            if index.layout_version != LAYOUT_VERSION:
                return PendingWork()
            if not (self.public / SITE_MARKER_FILE).exists():
                log.warning("portal_files_lost", items=index.count_items())
                self._apply_new_format(index)
            self._write_pending(index)
            return self._rewrite_stale(index, limit)

    def prune_search(self) -> None:
        """Let the search find only what the index has. Raises as `prepare`."""
        with self._locked_index() as index:
            self._search_sync.remove_unknown(index)

    def show(self, publication: Publication, expired: Deadline) -> Outcome:
        """Make *publication* visible. Never raises for what disk or index do."""
        try:
            with self._locked_index() as index:
                self._write_pending(index)
                if index.current_revision(publication.content_id) > publication.revision:
                    return Outcome(Verdict.FAILED, "superseded_by_newer")
                if expired():
                    return Outcome(Verdict.UNSENT, "deadline_passed")
                self._show(index, publication)
                crash_point("portal.ticked_off")
                return Outcome(Verdict.DELIVERED)
        except FilesNotWritten as error:
            return Outcome(Verdict.DOUBT, str(error), RETRY_S)
        except FolderBusy:
            return Outcome(Verdict.HELD, "folder_busy", BUSY_RETRY_S, reached_provider=False)
        except (OSError, sqlite3.Error) as error:
            return Outcome(Verdict.HELD, error_reason(error), RETRY_S, channel_wide=True)

    def resolve(self, publication: Publication) -> Outcome:
        """Say whether *publication* is, or was, visible; what was begun is finished first."""
        try:
            with self._locked_index() as index:
                self._write_pending(index)
                if not index.was_shown(publication.content_id, publication.revision):
                    return Outcome(Verdict.ABSENT)
                self._repair_item(index, publication.content_id)
                return Outcome(Verdict.DELIVERED)
        except FolderBusy:
            return Outcome(Verdict.DOUBT, "folder_busy", BUSY_RETRY_S)
        except (OSError, sqlite3.Error, FilesNotWritten) as error:
            return Outcome(Verdict.DOUBT, error_reason(error), RETRY_S)

    def put_file(self, path: str, body: bytes) -> Outcome:
        """Put a file in place that the index does not know. Never raises, as `show`."""
        try:
            with self._locked_index():
                stage = StagedFiles(self.public, self._aside)
                stage.stage(path, body)
                stage.commit()
        except FolderBusy:
            return Outcome(Verdict.HELD, "folder_busy", BUSY_RETRY_S)
        except (OSError, sqlite3.Error) as error:
            return Outcome(Verdict.HELD, error_reason(error), RETRY_S)
        return Outcome(Verdict.DELIVERED)

    def count_pending(self) -> tuple[int, int]:
        """How many items and other places are to be written yet. Raises OSError."""
        return self._query_index(PortalIndex.count_pending, (0, 0))

    def atom_documents(self, publication: Publication) -> list[str]:
        """Paths of the feeds that have the item. Raises OSError."""
        return self._query_index(
            lambda index: self._site_files.atom_documents(publication, index), []
        )

    def unannounced_feeds(self) -> list[tuple[str, int]]:
        """Feeds of which the hub has not heard, and how often each has changed. Raises OSError."""
        return self._query_index(PortalIndex.unannounced_feeds, [])

    def mark_announced(self, slug: str, change_count: int) -> None:
        """The hub has heard of the feed. Raises OSError."""
        self._query_index(lambda index: index.mark_announced(slug, change_count), None)

    def _query_index(self, query: Callable[[PortalIndex], T], default: T) -> T:
        """What *look* finds in an index that stands."""
        try:
            with self._locked_index() as index:
                return query(index) if index.layout_version == LAYOUT_VERSION else default
        except (FolderBusy, sqlite3.Error) as error:
            raise OSError(error_reason(error)) from error

    def add_publications(self, publications: Iterable[Publication]) -> None:
        """Take many into the index, in any order; `finish` then writes their files."""
        with self._locked_index() as index, index.transaction():
            for publication in publications:
                add_publication(index, self._site_files, publication)

    def write_pending(self, report_progress: ReportProgress = no_progress) -> None:
        """Bring the files up to the index. Raises as `prepare`."""
        with self._locked_index() as index:
            self._write_pending(index, report_progress, index.count_pending())

    def _show(self, index: PortalIndex, publication: Publication) -> None:
        with index.transaction():
            row = add_publication(index, self._site_files, publication)
            work = PendingWork([row], index.stale_page_sets())
            stage = self._stage(index, work)
            crash_point("portal.staged")
        crash_point("portal.committed")
        self._commit(index, work, stage)

    def _write_pending(
        self,
        index: PortalIndex,
        report_progress: ReportProgress = no_progress,
        totals: tuple[int, int] = (0, 0),
    ) -> None:
        """Bring the files up to the index; nothing to do unless a writer was stopped half-way."""
        while rows := index.unwritten_items(CHUNK_SIZE):
            self._write(index, PendingWork(items=rows))
            report_progress("items", len(rows), totals[0])
        while places := index.stale_page_sets(CHUNK_SIZE):
            self._write(index, PendingWork(page_sets=places))
            report_progress("places", len(places), totals[1])

    def _rewrite_stale(self, index: PortalIndex, limit: int = CHUNK_SIZE) -> PendingWork:
        """Items first: nothing may point at what is not there yet."""
        rows = index.stale_format_items(limit)
        work = PendingWork(rows, index.stale_page_sets(limit - len(rows), stale_format=True))
        self._write(index, work)
        return replace(work, indexed=self._search_sync.continue_build(index))

    def _write(self, index: PortalIndex, work: PendingWork) -> None:
        if work.items or work.page_sets:
            self._commit(index, work, self._stage(index, work))

    def _stage(self, index: PortalIndex, work: PendingWork) -> StagedFiles:
        stage = StagedFiles(self.public, self._aside)
        for path, body in self._files(index, work):
            stage.stage(path, body)
        return stage

    def _files(self, index: PortalIndex, work: PendingWork) -> Iterator[RenderedFile]:
        """In the order in which they are put in place: nothing points at what is not there yet."""
        for row in work.items:
            yield from self._site_files.item_files(row)
        for place in work.page_sets:
            yield from self._site_files.page_set_files(place, index)

    def _commit(self, index: PortalIndex, work: PendingWork, staged: StagedFiles) -> None:
        try:
            staged.commit()
            self.files_written += staged.count_writes
            crash_point("portal.swapped")
            self._search_sync.index_items(work.items)
            crash_point("portal.learnt")
            with index.transaction():
                index.mark_items_written(work.items)
                index.mark_page_sets_written(work.page_sets)
        except (OSError, sqlite3.Error) as error:
            raise FilesNotWritten(error_reason(error)) from error

    def _repair_item(self, index: PortalIndex, content_id: str) -> None:
        """Write again whatever of the item's files is missing or damaged."""
        row = index.find_item(content_id)
        if row:
            self._write(
                index,
                PendingWork([row], index.page_sets_of(content_id, self._site_files.archive_size)),
            )

    def _create_index(self, index: PortalIndex, allow_new: bool) -> None:
        if (self.public / SITE_MARKER_FILE).exists() or not index.is_new():
            raise IndexLost
        if not allow_new:
            raise FolderEmpty
        index.create_tables()

    def _apply_new_format(self, index: PortalIndex) -> None:
        """Write what every site has, and have the rest written again after a change of edition."""
        laid_out = (self.public / SITE_MARKER_FILE).exists()
        if laid_out and index.metadata("edition") == self._site_files.format_hash:
            return
        with index.transaction():
            self._mark_all_stale(index, laid_out)
        stage = StagedFiles(self.public, self._aside)
        for path, body in self._site_files.fixed_files():
            stage.stage(path, body)
        stage.commit()
        record_format(index, self._site_files)

    def _mark_all_stale(self, index: PortalIndex, has_pages: bool) -> None:
        """All at once where there is nothing, or else what is about the past bit by bit."""
        index.set_metadata("edition", "")
        places = list(self._site_files.all_page_sets(index))
        old = {one for one in places if has_pages and one.kind in (ARCHIVE, MONTH, SITEMAP)}
        index.mark_stale(old, stale_format=True)
        index.mark_stale(one for one in places if one not in old)
        if has_pages:
            index.mark_all_stale_format()
        else:
            index.mark_all_unwritten()

    @contextmanager
    def _locked_index(self) -> Iterator[PortalIndex]:
        with folder_lock(self._state / LOCK_FILE, self._lock_timeout_s):
            index_swap.finish_swap(self._state)
            if self._index and not self._index.is_current_file:
                self.close()  # a rebuild has put another one there
            if self._index is None:
                self._index = PortalIndex(self._state / INDEX_FILE)
            yield self._index
