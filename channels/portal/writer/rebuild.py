"""Making the portal anew from publications, while it goes on being read and written.

    aside     a new index is made beside the old one; nobody waits, what is shown meanwhile is noted
    swap      what was noted is taken in, and the new index takes the old one's place: a moment
    write     every file is compared with the new index, and written where it differs: items first,
              then what points at them, some at a time, so that others can write in between
    clear     what the index knows nothing of is removed

Readers see every file old or new, never half; files that are the same stay untouched. Killed before
the swap, nothing has changed; killed in it or after it, the next writer goes on, bit by bit, or the
next rebuild does. Where there are no pages at all, everything is written at once, and writers wait.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from channels.portal.index.index import LAYOUT_VERSION, PortalIndex
from channels.portal.index.snapshot import IndexSnapshot
from channels.portal.render.site_files import SiteFiles
from channels.portal.search.sync import SEARCH_INDEX_FILE
from channels.portal.storage import index_swap
from channels.portal.storage.atomic_files import StagedFiles, sync_folder
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.storage.lock import folder_lock
from channels.portal.writer.audit import FolderAudit
from channels.portal.writer.pending import (
    ReportProgress,
    add_publication,
    no_progress,
    record_format,
)
from channels.portal.writer.writer import LOCK_FILE, SITE_MARKER_FILE, PortalWriter
from contracts.publication import Publication

log = structlog.get_logger()
REBUILD_LOCK_FILE = "rebuild.lock"


class RebuildResult(NamedTuple):
    """What a rebuild has found to be different."""

    items: int = 0
    written: int = 0
    removed: int = 0


class PortalRebuild:
    """A new portal in the making. Take publications in, in any order, then `finish`.

    *tell* hears of what was done: items and places written.
    """

    def __init__(
        self,
        folder: Path,
        site_files: SiteFiles,
        lock_timeout_s: float,
        report_progress: ReportProgress = no_progress,
    ) -> None:
        self._folder, self._state = folder, folder / "state"
        self._aside = self._state / "rebuild"
        self._site_files, self._lock_timeout_s, self._report_progress = (
            site_files,
            lock_timeout_s,
            report_progress,
        )
        self._remove_aside()
        self._aside.mkdir()
        self._index = PortalIndex(self._aside / INDEX_FILE)
        self._index.create_tables()
        with folder_lock(self._state / LOCK_FILE, lock_timeout_s):
            index_swap.finish_swap(self._state)
            self._is_recording = self._start_recording()

    def add_publications(self, publications: Iterable[Publication]) -> None:
        """Raises OSError or sqlite3.Error; then nothing has changed for readers."""
        with self._index.transaction():
            for one in publications:
                add_publication(self._index, self._site_files, one)

    def add_already_shown(self, publications: Sequence[Publication]) -> None:
        """Take those in that the old portal has shown, or was about to. Raises as `take`."""
        if publications:
            self.add_publications(filter_shown(self._state / INDEX_FILE, publications))

    def finish(self) -> RebuildResult:
        """Put the new portal in place of the old one. Raises Busy, OSError, sqlite3.Error."""
        with folder_lock(self._state / LOCK_FILE, self._lock_timeout_s):
            self._add_recorded_changes()
            items = self._index.count_items()
            self._swap()
        writer = PortalWriter(self._folder, self._site_files, self._lock_timeout_s)
        try:
            self._write_files(writer)
            removed = self._remove_strays()
            writer.prune_search()
        finally:
            writer.close()
        self._remove_aside()
        return RebuildResult(items, writer.files_written, removed)

    def close(self) -> None:
        self._index.close()

    def _start_recording(self) -> bool:
        """Have the old index note what is taken in from now on; False where nothing can be."""
        if old := self._open_old_index():
            with closing(old):
                old.start_recording_changes()
        return old is not None

    def _add_recorded_changes(self) -> None:
        """What was shown since is known to the old index alone."""
        old = self._open_old_index() if self._is_recording else None
        if old:
            with closing(old):
                self.add_publications([row.publication for row in old.recorded_changes()])
                old.checkpoint()

    def _open_old_index(self) -> PortalIndex | None:
        """The index that stands; None where there is none that can be read."""
        path = self._state / INDEX_FILE
        try:
            index = PortalIndex(path) if path.exists() else None
        except sqlite3.Error:
            return None  # it is no index: the reason for this rebuild
        if index and index.layout_version != LAYOUT_VERSION:
            index.close()
            return None
        return index

    def _swap(self) -> None:
        stands = (self._folder / "public" / SITE_MARKER_FILE).exists()
        with self._index.transaction():
            self._index.mark_all_pending(
                self._site_files.all_page_sets(self._index), stale_format=stands
            )
            record_format(self._index, self._site_files)
        self._index.close()
        self._write_fixed_files()
        for left in () if self._is_recording else self._state.glob(f"{SEARCH_INDEX_FILE}*"):
            left.unlink()
        index_swap.begin_swap(self._aside / INDEX_FILE, self._state)
        index_swap.finish_swap(self._state)

    def _write_fixed_files(self) -> None:
        """What every site has: pages that are written next point at it."""
        public, aside = self._folder / "public", self._state / "aside"
        for folder in (public, aside):
            folder.mkdir(exist_ok=True)
        stage = StagedFiles(public, aside)
        for path, body in self._site_files.fixed_files():
            stage.stage(path, body)
        stage.commit()

    def _write_files(self, writer: PortalWriter) -> None:
        writer.prepare(report_progress=self._report_progress)
        items, places = writer.count_pending()
        while (done := writer.rewrite_stale()).has_work:
            self._report_progress("items", len(done.items), items)
            self._report_progress("places", len(done.page_sets), places)

    def _remove_strays(self) -> int:
        """Remove what nobody stands for; what somebody has written meanwhile has a reason."""
        audit, public = FolderAudit(self._folder, self._site_files), self._folder / "public"
        with closing(audit.open_snapshot()) as glance:
            suspects = [one.path for one in audit.find_strays(glance)]
        with (
            folder_lock(self._state / LOCK_FILE, self._lock_timeout_s),
            closing(audit.open_snapshot()) as glance,
        ):
            strays = [path for path in suspects if not audit.is_expected(path, glance)]
            for path in strays:
                (public / path).unlink(missing_ok=True)
        for folder in {(public / path).parent for path in strays}:
            sync_folder(folder)
        return len(strays)

    def _remove_aside(self) -> None:
        if self._aside.exists():
            shutil.rmtree(self._aside)


@contextmanager
def open_rebuild(
    folder: Path,
    site_files: SiteFiles,
    lock_timeout_s: float,
    report_progress: ReportProgress = no_progress,
) -> Iterator[PortalRebuild]:
    """Make the portal anew. Raises Busy while somebody else does, or a writer holds the folder."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    with folder_lock(folder / "state" / REBUILD_LOCK_FILE, lock_timeout_s):
        rebuild = PortalRebuild(folder, site_files, lock_timeout_s, report_progress)
        try:
            yield rebuild
        finally:
            rebuild.close()


def filter_shown(index: Path, publications: Sequence[Publication]) -> list[Publication]:
    """Those of which *index* says that readers see, or saw, them; none where it can't be read."""
    if not index.exists():
        return []
    try:
        with closing(IndexSnapshot(index)) as old:
            return [
                one
                for one in publications
                if old.current_revision(one.content_id) == one.revision
                or old.was_shown(one.content_id, one.revision)
            ]
    except sqlite3.Error as broken:
        log.warning("portal_index_unreadable", error=type(broken).__name__)
        return []
