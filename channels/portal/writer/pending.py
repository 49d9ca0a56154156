"""Pending work of a writer, progress reports, and storing publications in the index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from channels.portal.index.index import PortalIndex, StoredItem
from channels.portal.model.history import merge_history
from channels.portal.model.page_sets import PageKind, PageSet
from channels.portal.render.site_files import SiteFiles
from contracts.publication import Publication

log = structlog.get_logger()
ReportProgress = Callable[[str, int, int], None]
"""Called with the kind of work, the number done since the last call, and the total or 0."""


def no_progress(what: str, count: int, total: int) -> None:
    """Ignore progress reports."""


@dataclass(frozen=True, slots=True)
class PendingWork:
    """Items and page sets to be written; `indexed`: items added to a new search index."""

    items: Sequence[StoredItem] = ()
    page_sets: Sequence[PageSet] = ()
    indexed: int = 0

    @property
    def has_work(self) -> bool:
        return bool(self.items or self.page_sets or self.indexed)


def add_publication(
    index: PortalIndex, site_files: SiteFiles, publication: Publication
) -> StoredItem:
    """Store *publication* in the index, with its fragments.

    A position older than the shown one adds to the item's history, and to the feeds that carry it.
    """
    previous = index.find_item(publication.content_id)
    shown = merge_history(previous.publication if previous else None, publication)
    stored = site_files.to_stored_item(shown)
    site = site_files.site
    stale = index.put_item(
        shown, stored, site.listing_slugs(shown), site.listing_slugs(publication)
    )
    index.put_fragments(shown.content_id, site_files.format_hash, site_files.fragments(stored))
    if site.hub:
        feeds = sorted(page_set.slug for page_set in stale if page_set.kind is PageKind.FEED)
        index.mark_unannounced(feeds)
    return stored


def record_format(index: PortalIndex, site_files: SiteFiles) -> None:
    """Record the format of the files; warn of a new address, which changes all feed ids."""
    before, now = index.metadata("address"), site_files.site.public_url
    items = index.count_items() if before not in ("", now) else 0
    if items:
        log.warning("portal_address_changed", before=before, now=now, items=items)
    index.set_metadata("edition", site_files.format_hash)
    index.set_metadata("address", now)
