"""Pending files: which they are, and rendering and staging them, also in another process."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from channels.portal.index.index import IndexSnapshot, ItemPosition, PortalIndex
from channels.portal.model.page_sets import PageSet
from channels.portal.render.site_files import SiteFiles
from channels.portal.storage.atomic_files import RenderedFile, StagedFiles

CHUNK_SIZE = 200


@dataclass(frozen=True, slots=True)
class PendingWork:
    """Items and page sets to be written; `indexed`: items added to a new search index."""

    items: Sequence[ItemPosition] = ()
    page_sets: Sequence[PageSet] = ()
    indexed: int = 0

    @property
    def has_work(self) -> bool:
        return bool(self.items or self.page_sets or self.indexed)

    def __add__(self, other: "PendingWork") -> "PendingWork":
        items, page_sets = [*self.items, *other.items], [*self.page_sets, *other.page_sets]
        return PendingWork(items, page_sets, self.indexed + other.indexed)


class StagingTask(NamedTuple):
    """Pending work for a process that only reads the index."""

    index_file: Path
    public: Path
    aside: Path
    work: PendingWork


def pending_work(index: PortalIndex, *, stale_format: bool = False) -> Iterator[PendingWork]:
    """All pending work in chunks: items first, so that no link points at a missing file."""
    after = ""
    while items := index.pending_items(CHUNK_SIZE, after, stale_format=stale_format):
        yield PendingWork(items)
        after = items[-1].content_id
    last = None
    while page_sets := index.stale_page_sets(CHUNK_SIZE, last, stale_format=stale_format):
        yield PendingWork(page_sets=page_sets)
        last = page_sets[-1]


def first_chunks(pending: Iterable[PendingWork], limit: int) -> Iterator[PendingWork]:
    """The first chunks, until they have *limit* items and page sets."""
    count = 0
    for work in pending:
        yield work
        count += len(work.items) + len(work.page_sets)
        if count >= limit:
            return


def render_work(files: SiteFiles, index: PortalIndex, work: PendingWork) -> Iterator[RenderedFile]:
    """The files, in an order in which no link points at a missing one."""
    for content_id, _ in work.items:
        if stored := index.find_item(content_id):
            related = index.related_items(content_id)
            campaign = index.campaign_of(stored.publication.campaign)
            yield from files.item_files(stored, related, campaign)
    for page_set in work.page_sets:
        yield from files.page_set_files(page_set, index)


def stage_task(files: SiteFiles, task: StagingTask) -> tuple[PendingWork, StagedFiles]:
    """Stage the files without fsync; the writer has the folder's lock, and commits them."""
    name = f"{os.getpid()}-{time.monotonic_ns()}-"
    staged = StagedFiles(task.public, task.aside, name)
    with closing(IndexSnapshot(task.index_file)) as snapshot:
        staged.stage_all(render_work(files, snapshot, task.work))
    return task.work, staged
