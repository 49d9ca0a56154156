"""Covers to be drawn: which is next, and how its derivatives become part of the pages."""

from collections.abc import Sequence
from typing import NamedTuple

from channels.portal.index.index import PortalIndex, StoredItem
from channels.portal.model.cover import cover_stem
from channels.portal.render.site_files import SiteFiles
from channels.portal.storage.atomic_files import RenderedFile, StagedFiles
from contracts.publication import Publication


class WantedCover(NamedTuple):
    """The cover of an item that is to be drawn; `stem` is the path of its derivatives."""

    content_id: str
    url: str
    stem: str
    tries: int


def next_cover(index: PortalIndex, site_files: SiteFiles, now_us: int) -> WantedCover | None:
    """The next cover; entries of items with nothing to draw are dropped on the way."""
    while index.knows_covers and (due := index.next_cover(now_us)):
        content_id, tries = due
        stored = index.find_item(content_id)
        if stored and site_files.has_picture(stored.publication):
            finish_cover(index, site_files, stored)
            continue
        if stored and (url := _cover_url(stored.publication)):
            return WantedCover(content_id, url, cover_stem(content_id, url), tries)
        index.forget_cover(content_id)
    return None


def add_derivatives(
    index: PortalIndex, wanted: WantedCover, files: Sequence[RenderedFile], staged: StagedFiles
) -> StoredItem | None:
    """Put derivatives in place; None if the item has another cover by now.

    The pages are marked before: a writer that is killed in between leaves them to the next one.
    """
    stored = index.find_item(wanted.content_id)
    if stored is None or _cover_url(stored.publication) != wanted.url:
        return None
    staged.stage_all(files)
    with index.transaction():
        index.mark_item_stale(wanted.content_id)
    staged.commit()
    return stored


def finish_cover(index: PortalIndex, site_files: SiteFiles, stored: StoredItem) -> None:
    """Store the item's fragments with the picture; nothing is to be drawn any more."""
    content_id = stored.publication.content_id
    with index.transaction():
        index.put_fragments(content_id, site_files.format_hash, site_files.fragments(stored))
        index.forget_cover(content_id)


def _cover_url(publication: Publication) -> str:
    withdrawn = publication.action == "withdrawn"
    return publication.cover.url if publication.cover and not withdrawn else ""
