"""From the index to files: which files an item or a shelf has, and their bytes."""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256

from channels.portal import atom, body, json_feed, rss
from channels.portal.feeds import Entry, gather
from channels.portal.index import Index, Row
from channels.portal.item import Item, view
from channels.portal.pages import FEED_LIMIT, STATIC, TEMPLATES, Pages
from channels.portal.site import COVER_PATH, HOME, Site, feed_path, item_path
from channels.portal.texts import TEXTS
from contracts.publication import Publication

HOME_LIMIT = 30
ENTRIES = 4 * FEED_LIMIT
"""How many items stay in memory as feeds need them: an item stands in several feeds."""

EDITION = 1
"""Raised when the code writes the same item differently."""

WRITERS = {"rss": rss.write, "atom": atom.write, "json": json_feed.write}

File = tuple[str, bytes | None]
"""A path below the root and its bytes; None = no such file may be there."""


class Press:
    """Writes nothing itself: says what the files of one site hold."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._pages = Pages(site)
        self._entry = lru_cache(maxsize=ENTRIES)(self._write_entry)
        self.edition = _edition(site)

    def row(self, publication: Publication) -> Row:
        """The publication with its text rendered; a withdrawn text is not kept."""
        if publication.action == "withdrawn":
            return Row(publication.model_copy(update={"body": ""}).model_dump_json(), "")
        url = self.site.item_url(publication.content_id)
        return Row(publication.model_dump_json(), body.to_html(publication.body, url))

    def fixed_files(self) -> Iterator[File]:
        """What every site has, before its first item."""
        for asset in (self._pages.css, self._pages.icon):
            yield asset.path[1:], asset.body
        yield COVER_PATH[1:], (STATIC / "loa-cover.png").read_bytes()
        yield "404.html", self._pages.missing()

    def item_files(self, row: Row) -> Iterator[File]:
        """The item's page; beside that of a withdrawn one `410.html`, for web servers to go by."""
        item = self._view(row)
        page, folder = self._pages.item(item), item_path(item.publication.content_id)[1:]
        yield f"{folder}/index.html", page
        yield f"{folder}/410.html", page if item.withdrawn else None

    def shelf_files(self, slug: str, index: Index) -> Iterator[File]:
        """The home page, or the three files of a feed."""
        if slug == HOME:
            shown = [self._entry(row).item for row in index.newest(HOME, HOME_LIMIT)]
            yield "index.html", self._pages.home(shown)
            return
        entries = tuple(self._entry(row) for row in index.newest(slug, FEED_LIMIT))
        feed = gather(slug, entries, self.site)
        for kind, write in WRITERS.items():
            yield feed_path(slug, kind)[1:], write(feed)

    def list_of_feeds(self, index: Index) -> Iterator[File]:
        yield "nguon-tin/index.html", self._pages.feeds(index.slugs())

    def _write_entry(self, row: Row) -> Entry:
        item = self._view(row)
        return Entry(item, self._pages.entry(item))

    def _view(self, row: Row) -> Item:
        return view(row.publication, row.body, self.site)


def _edition(site: Site) -> str:
    """Changes whenever the same items would be written differently."""
    hashed = sha256(f"{EDITION} {site.public_url} {TEXTS}".encode())
    hashed.update(site.vocabulary.model_dump_json().encode())
    for folder in (TEMPLATES, STATIC):
        for path in sorted(folder.iterdir()):
            hashed.update(path.read_bytes())
    return hashed.hexdigest()
