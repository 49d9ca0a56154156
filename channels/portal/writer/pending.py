"""What a writer has to do, and how it tells of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from channels.portal.index.index import PortalIndex, StoredItem
from channels.portal.model.history import merge_history
from channels.portal.model.page_sets import FEED, PageSet
from channels.portal.render.site_files import SiteFiles
from contracts.publication import Publication

log = structlog.get_logger()


ReportProgress = Callable[[str, int, int], None]
"""What was done, how many since the last call, and how many there are in all (0 = not known)."""


def no_progress(what: str, count: int, total: int) -> None:
    """For whom nobody waits."""


@dataclass(frozen=True, slots=True)
class PendingWork:
    """Items and other places whose files are to be written; `learnt`: into a new catalogue."""

    items: Sequence[StoredItem] = ()
    page_sets: Sequence[PageSet] = ()
    indexed: int = 0

    @property
    def has_work(self) -> bool:
        return bool(self.items or self.page_sets or self.indexed)


def add_publication(
    index: PortalIndex, site_files: SiteFiles, publication: Publication
) -> StoredItem:
    """Take *publication* into the index, with how it is written in feeds and lists.

    One that is older than what is shown adds to the item's past, and to the feeds that tell of it.
    """
    known = index.find_item(publication.content_id)
    shown = merge_history(known.publication if known else None, publication)
    row = site_files.to_stored_item(shown)
    slugs, once = site_files.site.listing_slugs(shown), site_files.site.listing_slugs(publication)
    touched = index.put_item(shown, row, slugs, site_files.archive_size, once)
    index.put_fragments(shown.content_id, site_files.format_hash, site_files.fragments(row))
    if site_files.site.hub:
        index.mark_unannounced(sorted(one.slug for one in touched if one.kind == FEED))
    return row


def record_format(index: PortalIndex, site_files: SiteFiles) -> None:
    """Say by which edition the files are written; another address makes every id in feeds new."""
    before, now = index.metadata("address"), site_files.site.public_url
    items = index.count_items() if before not in ("", now) else 0
    if items:
        log.warning("portal_address_changed", before=before, now=now, items=items)
    index.set_metadata("edition", site_files.format_hash)
    index.set_metadata("address", now)
