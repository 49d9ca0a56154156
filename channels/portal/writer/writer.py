"""The writer of the portal's folder, which makes publications visible in four steps.

    stage     write all files aside and fsync them; a full disk shows here, nothing is visible
    commit    store the revision in the index: from now on it will be shown, by any writer
    rename    rename the files into place: item, then feeds, then home
    done      mark the files as written in the index

A killed writer leaves pending work in the index, and the next holder of the lock finishes it first.
So a row in doubt has an answer: a revision in the index is delivered, any other never arrived.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from channels.base import Deadline, Outcome, Verdict
from channels.portal.errors import FilesNotWritten, FolderBusy, FolderEmpty, IndexLost, error_reason
from channels.portal.index.index import LAYOUT_VERSION, ItemPosition, PortalIndex
from channels.portal.index.listings import part_sizes
from channels.portal.model.history import merge_history
from channels.portal.model.months import to_microseconds
from channels.portal.model.page_sets import PageKind
from channels.portal.model.site import CORRECTIONS_SLUG, Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.search.sync import SearchSync
from channels.portal.storage import index_swap
from channels.portal.storage.atomic_files import (
    RenderedFile,
    StagedFiles,
    remove_leftovers,
    write_files,
)
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.storage.lock import folder_lock
from channels.portal.storage.uploads import remove_uploads
from channels.portal.writer.covers import WantedCover, add_derivatives, finish_cover, next_cover
from channels.portal.writer.render_processes import RenderProcesses
from channels.portal.writer.staging import (
    CHUNK_SIZE,
    PendingWork,
    StagingTask,
    first_chunks,
    pending_work,
    render_work,
    stage_task,
)
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.facts.public_figures import PublicFigures
from contracts.publication import Publication

log = structlog.get_logger()
T = TypeVar("T")
LOCK_FILE = "lock"
RETRY_S = 30.0
BUSY_RETRY_S = 5.0
_POSITION = "followed"
"""The name under which a replica keeps the position up to which it has followed the log."""
PARTS = "parts"
"""The name under which the index keeps the sizes of the parts that its files have."""
_HISTORICAL = (PageKind.ARCHIVE, PageKind.MONTH, PageKind.SITEMAP)
SITE_MARKER_FILE = "404.html"
"""The last file that every site has; without it the public folder is new or was emptied."""

ReportProgress = Callable[[str, int, int], None]
"""Called with the kind of work, the number done since the last call, and the total or 0."""


def no_progress(what: str, count: int, total: int) -> None:
    """Ignore progress reports."""


class PortalWriter:
    """The only writer of the portal's folder, for use by one thread.

    Web servers serve `folder/public`; `folder/state` is private to the writer.
    """

    def __init__(
        self,
        folder: Path,
        site_files: SiteFiles,
        lock_timeout_s: float,
        clock: Clock = time.time,
        processes: RenderProcesses | None = None,
    ) -> None:
        """*processes*: those of a rebuild, which has indexed its items for the search itself."""
        self.public = folder / "public"
        self._state = folder / "state"
        self._aside = self._state / "aside"
        self._site_files = site_files.with_covers(self.public)
        self._lock_timeout_s = lock_timeout_s
        self._clock, self._processes = clock, processes
        self.files_written = 0
        self._index: PortalIndex | None = None
        self._search_sync = SearchSync(self._state, site_files.site, site_files.search_document)

    @property
    def site(self) -> Site:
        return self._site_files.site

    @property
    def edition(self) -> str:
        """Hash of all that the files follow from besides publications and figures."""
        return self._site_files.format_hash

    @property
    def has_index(self) -> bool:
        """Whether an index is there, or one that is about to replace it."""
        return index_swap.has_index(self._state)

    def close(self) -> None:
        self._search_sync.close()
        if self._index:
            self._index.close()
            self._index = None

    def prepare(
        self, *, allow_new: bool = True, report_progress: ReportProgress = no_progress
    ) -> None:
        """Finish pending work and rewrite outdated files, so that the folder is ready.

        Raises OSError, sqlite3.Error, FolderBusy, FilesNotWritten or IndexLost, and FolderEmpty for
        a new folder unless *allow_new*. Nothing is made in the place of a folder that is gone.
        """
        if not (allow_new or self.has_index or (self.public / SITE_MARKER_FILE).exists()):
            raise FolderEmpty
        self.public.mkdir(parents=True, exist_ok=True)
        self._aside.mkdir(parents=True, exist_ok=True)
        with self._locked_index() as index:
            remove_leftovers(self._aside)
            if index.layout_version != LAYOUT_VERSION:
                self._create_index(index, allow_new)
            self._search_sync.prepare()
            self._apply_new_format(index)
            self._end_urgent(index)
            self._collect_covers(index)
            self._collect_uploads(index)
            self._write_pending(index, report_progress, index.count_pending())
            self._rewrite_stale(index)

    def rewrite_stale(self, limit: int = CHUNK_SIZE) -> PendingWork:
        """Rewrite some files of an earlier format; return them. Raises as `prepare`."""
        if not self._state.exists():
            return PendingWork()
        with self._locked_index() as index:
            if index.layout_version != LAYOUT_VERSION:
                return PendingWork()
            if not (self.public / SITE_MARKER_FILE).exists():
                log.warning("portal_files_lost", items=index.count_items())
                self._apply_new_format(index)
            self._end_urgent(index)
            self._write_pending(index)
            return self._rewrite_stale(index, limit)

    def show(self, publication: Publication, expired: Deadline) -> Outcome:
        """Make *publication* visible. Returns errors of disk and index as outcomes."""
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
        """Finish pending work, then say whether *publication* is or was visible."""
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

    def position(self) -> str:
        """The position that `follow` noted last; empty without a usable index. Raises OSError."""
        if not self.has_index:
            return ""
        return self._query_index(lambda index: index.metadata(_POSITION), "")

    def follow(self, publications: Sequence[Publication], position: str) -> None:
        """Show what a log has before *position*, and keep that. Raises as `prepare`.

        What is shown already stays as it is; older revisions add to an item's history.
        """
        with self._locked_index() as index:
            self._write_pending(index)
            with index.transaction():
                for publication in publications:
                    if index.current_revision(publication.content_id) != publication.revision:
                        add_publication(index, self._site_files, publication)
                index.end_urgent(self._now_us())
                index.set_metadata(_POSITION, position)
            self._write_pending(index)

    def has_figures(self) -> bool:
        """Whether the delivery figures are shown. Raises OSError."""
        return self.has_index and self._query_index(lambda index: index.figures is not None, False)

    def show_figures(self, figures: PublicFigures) -> None:
        """Show the delivery figures in an existing portal. Raises as `prepare`."""
        if not self.has_index:
            return
        with self._locked_index() as index:
            if index.layout_version == LAYOUT_VERSION:
                with index.transaction():
                    is_new = index.set_figures(figures)
                if is_new:
                    self._write_pending(index)

    def put_file(self, path: str, body: bytes) -> Outcome:
        """Write a file that is not in the index. Returns errors as outcomes, as `show`."""
        try:
            with self._locked_index():
                write_files(self.public, self._aside, [(path, body)])
        except FolderBusy:
            return Outcome(Verdict.HELD, "folder_busy", BUSY_RETRY_S)
        except (OSError, sqlite3.Error) as error:
            return Outcome(Verdict.HELD, error_reason(error), RETRY_S)
        return Outcome(Verdict.DELIVERED)

    def next_cover(self) -> WantedCover | None:
        """The cover that is to be drawn next. Raises OSError."""
        if not self.has_index:
            return None
        return self._query_index(
            lambda index: next_cover(index, self._site_files, self._now_us()), None
        )

    def keep_cover(self, wanted: WantedCover, files: Sequence[RenderedFile]) -> None:
        """Keep derivatives, and write the pages that show them. Raises as `prepare`."""
        with self._locked_index() as index:
            staged = StagedFiles(self.public, self._aside)
            if stored := add_derivatives(index, wanted, files, staged):
                finish_cover(index, self._site_files, stored)
                self._write_pending(index)

    def postpone_cover(self, wanted: WantedCover, wait_s: float) -> None:
        """Draw the cover later. Raises OSError."""
        due_us = self._now_us() + int(wait_s * 1e6)
        self._query_index(lambda index: index.postpone_cover(wanted.content_id, due_us), None)

    def forget_cover(self, wanted: WantedCover) -> None:
        """Draw the cover no more. Raises OSError."""
        self._query_index(lambda index: index.forget_cover(wanted.content_id), None)

    def count_pending(self) -> tuple[int, int]:
        """Numbers of pending items and page sets. Raises OSError."""
        return self._query_index(PortalIndex.count_pending, (0, 0))

    def atom_documents(self, publication: Publication) -> list[str]:
        """Paths of the Atom documents with the item. Raises OSError."""
        find = partial(self._site_files.atom_documents, publication)
        return self._query_index(find, [])

    def unannounced_feeds(self) -> list[tuple[str, int]]:
        """Feeds with changes that the hub does not know, and their counts. Raises OSError."""
        return self._query_index(PortalIndex.unannounced_feeds, [])

    def mark_announced(self, slug: str, change_count: int) -> None:
        """Mark a feed as announced to the hub. Raises OSError."""
        self._query_index(lambda index: index.mark_announced(slug, change_count), None)

    def _query_index(self, query: Callable[[PortalIndex], T], default: T) -> T:
        """Result of *query* on a usable index, or else *default*."""
        try:
            with self._locked_index() as index:
                return query(index) if index.layout_version == LAYOUT_VERSION else default
        except (FolderBusy, sqlite3.Error) as error:
            raise OSError(error_reason(error)) from error

    def _show(self, index: PortalIndex, publication: Publication) -> None:
        with index.transaction():
            add_publication(index, self._site_files, publication)
            index.end_urgent(self._now_us())
            work = PendingWork(index.pending_items(CHUNK_SIZE), index.stale_page_sets())
            staged = self._stage(index, work)
            crash_point("portal.staged")
        crash_point("portal.committed")
        self._commit(index, work, staged)

    def _end_urgent(self, index: PortalIndex) -> None:
        """Mark the pages from which an urgent item has to go."""
        if index.has_urgent_ended(self._now_us()):
            is_first = not index.knows_urgent
            with index.transaction():
                index.end_urgent(self._now_us())
            if is_first:
                log.info("portal_urgent_found", items=index.count_urgent())

    def _collect_covers(self, index: PortalIndex) -> None:
        if not index.knows_covers:
            with index.transaction():
                index.collect_covers()
            log.info("portal_covers_listed", items=index.count_covers())

    def _collect_uploads(self, index: PortalIndex) -> None:
        if not index.knows_uploads:
            with index.transaction():
                index.collect_uploads()
        self._remove_unused_uploads(index)

    def _remove_unused_uploads(self, index: PortalIndex) -> None:
        """Remove uploaded files that no item names any more; killed, it is repeated."""
        files = index.unused_uploads()
        if not files:
            return
        remove_uploads(self.public, files)
        crash_point("portal.uploads_removed")
        with index.transaction():
            index.forget_unused_uploads()
        log.info("portal_uploads_removed", files=len(files))

    def _now_us(self) -> int:
        return to_microseconds(utc_now(self._clock))

    def _write_pending(
        self,
        index: PortalIndex,
        report_progress: ReportProgress = no_progress,
        totals: tuple[int, int] = (0, 0),
    ) -> None:
        """Write all pending files; there are none unless a writer was stopped half-way."""
        for work in self._write_all(index, pending_work(index)):
            report_progress("items", len(work.items), totals[0])
            report_progress("places", len(work.page_sets), totals[1])

    def _rewrite_stale(self, index: PortalIndex, limit: int = CHUNK_SIZE) -> PendingWork:
        stale = first_chunks(pending_work(index, stale_format=True), limit)
        done = sum(self._write_all(index, stale), PendingWork())
        return replace(done, indexed=self._search_sync.continue_build(index))

    def _write_all(
        self, index: PortalIndex, pending: Iterable[PendingWork]
    ) -> Iterator[PendingWork]:
        """Write pending files in chunks, and yield each chunk that is in place."""
        for work, staged in self._staged(index, pending):
            self._commit(index, work, staged)
            yield work

    def _staged(
        self, index: PortalIndex, pending: Iterable[PendingWork]
    ) -> Iterator[tuple[PendingWork, StagedFiles]]:
        if self._processes is None:
            return ((work, self._stage(index, work)) for work in pending)
        given = self._state / INDEX_FILE, self.public, self._aside
        tasks = (StagingTask(*given, work) for work in pending)
        return self._processes.map(stage_task, tasks)

    def _write(self, index: PortalIndex, work: PendingWork) -> None:
        if work.items or work.page_sets:
            self._commit(index, work, self._stage(index, work))

    def _stage(self, index: PortalIndex, work: PendingWork) -> StagedFiles:
        staged = StagedFiles(self.public, self._aside)
        staged.stage_all(render_work(self._site_files, index, work))
        staged.sync()
        return staged

    def _commit(self, index: PortalIndex, work: PendingWork, staged: StagedFiles) -> None:
        try:
            staged.commit()
            self.files_written += staged.count_writes
            crash_point("portal.swapped")
            self._index_for_search(index, work)
            crash_point("portal.learnt")
            with index.transaction():
                index.mark_items_written(work.items)
                index.mark_page_sets_written(work.page_sets)
            self._remove_unused_uploads(index)
        except (OSError, sqlite3.Error) as error:
            raise FilesNotWritten(error_reason(error)) from error

    def _index_for_search(self, index: PortalIndex, work: PendingWork) -> None:
        if self._processes is None:
            found = (index.find_item(item.content_id) for item in work.items)
            self._search_sync.index_items([stored for stored in found if stored])

    def _repair_item(self, index: PortalIndex, content_id: str) -> None:
        """Rewrite the item's missing or damaged files."""
        if revision := index.current_revision(content_id):
            item = ItemPosition(content_id, revision)
            self._write(index, PendingWork([item], index.page_sets_of(content_id)))

    def _create_index(self, index: PortalIndex, allow_new: bool) -> None:
        if (self.public / SITE_MARKER_FILE).exists() or index.layout_version:
            raise IndexLost
        if not allow_new:
            raise FolderEmpty
        index.create_tables()

    def _apply_new_format(self, index: PortalIndex) -> None:
        """After a change of format, write the fixed files and mark all others as stale."""
        has_pages = (self.public / SITE_MARKER_FILE).exists()
        if has_pages and index.metadata("edition") == self._site_files.format_hash:
            return
        with index.transaction():
            self._mark_all_stale(index, has_pages)
        write_files(self.public, self._aside, self._site_files.fixed_files())
        record_format(index, self._site_files)

    def _mark_all_stale(self, index: PortalIndex, has_pages: bool) -> None:
        """Mark all files: for a new folder at once, else archives and items when there is time."""
        index.set_metadata("edition", "")
        if self.site.is_corrections(CORRECTIONS_SLUG) and (listed := index.list_withdrawals()):
            log.info("portal_withdrawals_listed", items=listed)
        mark_page_sets(index, self._site_files, _HISTORICAL if has_pages else ())
        index.mark_all_items(stale_format=has_pages)

    @contextmanager
    def _locked_index(self) -> Iterator[PortalIndex]:
        with folder_lock(self._state / LOCK_FILE, self._lock_timeout_s):
            index_swap.finish_swap(self._state)
            if self._index and not self._index.is_current_file:
                self.close()  # a rebuild has replaced it
            if self._index is None:
                self._index = PortalIndex(self._state / INDEX_FILE)
            yield self._index


def add_publication(index: PortalIndex, files: SiteFiles, publication: Publication) -> None:
    """Store *publication* in the index, with its fragments.

    A position older than the shown one adds to the item's history, and to the feeds that carry it.
    """
    previous = index.find_item(publication.content_id)
    shown = merge_history(previous.publication if previous else None, publication)
    stored = files.to_stored_item(shown)
    site = files.site
    slugs, former_slugs = site.listing_slugs(shown), site.listing_slugs(publication)
    stale = index.put_item(shown, stored, slugs, former_slugs)
    if files.has_picture(shown):
        index.forget_cover(shown.content_id)
    index.put_fragments(shown.content_id, files.format_hash, files.fragments(stored))
    if site.hub:
        feeds = sorted(page_set.slug for page_set in stale if page_set.kind is PageKind.FEED)
        index.mark_unannounced(feeds)


def add_unrendered(index: PortalIndex, files: SiteFiles, publication: Publication) -> None:
    """Store *publication* in the index of a rebuild, which renders each item once, at its end."""
    previous = index.find_item(publication.content_id)
    shown = merge_history(previous.publication if previous else None, publication)
    site = files.site
    slugs, former_slugs = site.listing_slugs(shown), site.listing_slugs(publication)
    index.put_unrendered(shown, files.to_unrendered_item(shown), slugs, former_slugs)
    if files.has_picture(shown):
        index.forget_cover(shown.content_id)


def mark_page_sets(
    index: PortalIndex, files: SiteFiles, waiting_kinds: Collection[PageKind]
) -> None:
    """Mark all page sets to be written: *waiting_kinds* when there is time, all others at once.

    Months with parts don't wait if the files have none, or of other sizes: a change of an item
    marks the part that has it now, so the page that had it before would go on showing it.
    """
    has_same_parts = index.metadata(PARTS) == part_sizes()
    for page_set in list(files.all_page_sets(index)):
        can_wait = has_same_parts or not index.has_parts(page_set)
        stale_format = can_wait and page_set.kind in waiting_kinds
        index.mark_stale([page_set], stale_format=stale_format)


def record_format(index: PortalIndex, site_files: SiteFiles) -> None:
    """Record the format of the files; warn of a new address, which changes all feed ids."""
    before, now = index.metadata("address"), site_files.site.public_url
    items = index.count_items() if before not in ("", now) else 0
    if items:
        log.warning("portal_address_changed", before=before, now=now, items=items)
    index.set_metadata("edition", site_files.format_hash)
    index.set_metadata("address", now)
    index.set_metadata(PARTS, part_sizes())
