"""The site's files: paths and bytes of items and page sets, rendered from the index."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from markupsafe import Markup

from channels.portal.index.index import Fragments, PortalIndex, StoredItem
from channels.portal.index.listings import IndexState
from channels.portal.model import body
from channels.portal.model.item import Item, build_item
from channels.portal.model.months import from_microseconds, to_microseconds
from channels.portal.model.page_sets import (
    ARCHIVE,
    FEED,
    HOME,
    LISTING,
    MONTH,
    OVERVIEWS,
    SITEMAP,
    SITEMAP_INDEX,
    PageSet,
    archive_path,
)
from channels.portal.model.site import ALL_SLUG, DEFAULT_COVER_PATH, Site, item_path
from channels.portal.model.texts import TEXTS
from channels.portal.render import atom, json_feed, opml, rss, sitemap
from channels.portal.render.feed import EMPTY_FEED_DATE, Feed, FeedEntry, feed_of_listing
from channels.portal.render.html import FEED_LIMIT, STATIC_DIR, TEMPLATE_DIR, HtmlPages
from channels.portal.search.document import build_document
from channels.portal.search.index import SearchDocument
from contracts.publication import Publication

_HOME_LIMIT = 30
CHANGES_LIMIT = 20
"""Older items in a feed beside its newest: those changed last."""
_FRAGMENT_CACHE_SIZE = 4 * FEED_LIMIT
"""Items in memory whose stored fragments are of an earlier format."""
_LINES_CACHE_SIZE = 4
"""Months in memory whose lines the next listing with the same items can use."""

_FORMAT_VERSION = 3
"""To be raised when the code renders the same item differently."""


class FormatWriter(NamedTuple):
    """The functions that render a feed format, and the separator of its entries."""

    frame: Callable[[Feed], tuple[bytes, bytes]]
    entry: Callable[[FeedEntry], bytes]
    separator: bytes


FORMAT_WRITERS = {
    "rss": FormatWriter(rss.render_frame, rss.render_entry, rss.SEPARATOR),
    "atom": FormatWriter(atom.render_frame, atom.render_entry, atom.SEPARATOR),
    "json": FormatWriter(json_feed.render_frame, json_feed.render_entry, json_feed.SEPARATOR),
}
_FEED_COLUMNS = ("updated", *FORMAT_WRITERS)

RenderedFile = tuple[str, bytes | None]
"""A path below the public folder and its content; None if the file must not exist."""


class SiteFiles:
    """Renders the files of one site; writes nothing to disk."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._pages = HtmlPages(site)
        self.format_hash = _format_hash(site)
        self.fragments = lru_cache(maxsize=_FRAGMENT_CACHE_SIZE)(self._render_fragments)
        self.lines = lru_cache(maxsize=_LINES_CACHE_SIZE)(self._lines)
        self._renderers: dict[str, Callable[[PageSet, PortalIndex], Iterator[RenderedFile]]] = {
            FEED: self._feed_files,
            ARCHIVE: self._archive_files,
            LISTING: self._listing_page,
            MONTH: self._month_page,
            HOME: self._home_page,
            OVERVIEWS: self._overviews,
            SITEMAP: self._month_sitemap,
            SITEMAP_INDEX: self._sitemap_index,
        }

    @property
    def archive_size(self) -> int:
        """Items per archive: no more than per feed, so that no item falls between them."""
        return FEED_LIMIT

    def to_stored_item(self, publication: Publication) -> StoredItem:
        """Render the publication's body for the index; a withdrawn body is dropped."""
        if publication.action == "withdrawn":
            return StoredItem(publication.model_copy(update={"body": ""}).model_dump_json(), "")
        url = self.site.item_url(publication.content_id)
        return StoredItem(publication.model_dump_json(), body.to_html(publication.body, url))

    def search_document(self, stored: StoredItem) -> SearchDocument | None:
        """The item's search document; None if it is withdrawn."""
        item = self._item(stored)
        return None if item.withdrawn else build_document(item, self.site)

    def fixed_files(self) -> Iterator[RenderedFile]:
        """Files that every site has before its first item."""
        for asset in (self._pages.css, self._pages.icon):
            yield asset.path[1:], asset.body
        yield DEFAULT_COVER_PATH[1:], (STATIC_DIR / "loa-cover.png").read_bytes()
        yield "kenh/index.html", self._pages.channels()
        yield "gioi-thieu/index.html", self._pages.about()
        yield "robots.txt", sitemap.robots_txt(self.site)
        yield "404.html", self._pages.not_found()

    def item_files(self, stored: StoredItem) -> Iterator[RenderedFile]:
        """The item's page; a withdrawn item also has `410.html`, a signal to web servers."""
        item = self._item(stored)
        page, folder = self._pages.item(item), item_path(item.publication.content_id)[1:]
        yield f"{folder}/index.html", page
        yield f"{folder}/410.html", page if item.withdrawn else None

    def page_set_files(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        """Files of a page set; without content when the page set is not needed any more."""
        if self.is_needed(page_set, index):
            return self._renderers[page_set.kind](page_set, index)
        return ((path, None) for path in page_set.paths)

    def all_page_sets(self, index: PortalIndex) -> Iterator[PageSet]:
        """Every page set with files."""
        yield from (PageSet(OVERVIEWS), PageSet(SITEMAP_INDEX), PageSet(HOME))
        yield from (PageSet(SITEMAP, "", month) for month, _ in index.months(ALL_SLUG))
        for slug in self.all_slugs(index):
            yield from (PageSet(FEED, slug), PageSet(LISTING, slug))
            yield from (PageSet(MONTH, slug, month) for month, _ in index.months(slug))
            last = index.open_part(slug, self.archive_size)
            yield from (part for part in index.all_parts(slug, self.archive_size) if part != last)

    def is_needed(self, page_set: PageSet, index: PortalIndex) -> bool:
        """Whether the index needs the page set's files."""
        match page_set.kind:
            case "archive":
                return index.is_closed_part(page_set, self.archive_size)
            case "month" | "map":
                return index.count_month_items(page_set.slug or ALL_SLUG, page_set.month) > 0
            case "feed" | "shelf":
                return page_set.slug in self.all_slugs(index)
        return True

    def atom_documents(self, publication: Publication, index: PortalIndex) -> list[str]:
        """Paths of the Atom documents with the item: of all items, and of its topic."""
        slugs = dict.fromkeys((ALL_SLUG, publication.topic))
        content_id = publication.content_id
        page_sets = (
            index.feed_with_item(slug, content_id, self.archive_size, CHANGES_LIMIT)
            for slug in slugs
        )
        return [archive_path(page_set, "atom") for page_set in page_sets if page_set]

    def all_slugs(self, index: PortalIndex) -> list[str]:
        """Slugs of the vocabulary and all others with items."""
        return list(dict.fromkeys([*self.site.vocabulary_slugs(), *index.used_slugs()]))

    def _feed_files(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        last = index.open_part(page_set.slug, self.archive_size)
        older = index.previous_part(last, self.archive_size) if last else None
        feed = replace(feed_of_listing(page_set.slug, self.site), older=self._address(older))
        ids = index.feed_items(page_set.slug, self.archive_size, CHANGES_LIMIT)
        yield from self._in_all_formats(feed, ids, page_set, index)

    def _archive_files(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        newer = index.next_part(page_set, self.archive_size)
        feed = replace(
            feed_of_listing(page_set.slug, self.site),
            address=self._address(page_set),
            older=self._address(index.previous_part(page_set, self.archive_size)),
            newer=self._address(newer if newer and self.is_needed(newer, index) else None),
        )
        yield from self._in_all_formats(
            feed, index.archive_items(page_set, self.archive_size)[::-1], page_set, index
        )

    def _address(self, archive: PageSet | None) -> str:
        return self.site.url(archive_path(archive)) if archive else ""

    def _in_all_formats(
        self, feed: Feed, ids: Sequence[str], page_set: PageSet, index: PortalIndex
    ) -> Iterator[RenderedFile]:
        rows = self._fragments_of(ids, index, _FEED_COLUMNS)
        updated = from_microseconds(max(row[0] for row in rows)) if rows else EMPTY_FEED_DATE
        columns = list(zip(*rows, strict=True))[1:] or [()] * len(FORMAT_WRITERS)
        for path, feed_format, fragments in zip(
            page_set.paths, FORMAT_WRITERS, columns, strict=True
        ):
            yield path, assemble_feed(feed_format, replace(feed, updated=updated), fragments)

    def _listing_page(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        ids = index.newest_items(page_set.slug, _HOME_LIMIT, listed=True)
        stories = self._markup(ids, index, "story")
        months = [month for month in index.months(page_set.slug) if month[1]]
        yield page_set.paths[0], self._pages.listing(page_set.slug, stories, months)

    def _month_page(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        ids = tuple(index.month_items(page_set.slug, page_set.month))
        # One piece for the template: a month may have thousands of lines.
        lines = [Markup(self.lines(ids, index, index.change_state))] if ids else []  # noqa: S704
        adjacent = index.adjacent_months(page_set.slug, page_set.month)
        yield page_set.paths[0], self._pages.month(page_set.slug, page_set.month, lines, adjacent)

    def _home_page(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        stories = self._markup(
            index.newest_items(ALL_SLUG, _HOME_LIMIT, listed=True), index, "story"
        )
        yield page_set.paths[0], self._pages.home(stories, index.used_slugs())

    def _overviews(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        # System labels have feeds, and are listed once they have an item.
        used = set(index.used_slugs())
        slugs = [
            slug
            for slug in self.all_slugs(index)
            if self.site.is_subscribable(slug) or slug in used
        ]
        feeds, listings = (
            self._pages.feed_overview(slugs),
            self._pages.listing_overview(slugs, used),
        )
        bodies = (feeds, opml.render_opml(slugs, self.site), listings)
        yield from zip(page_set.paths, bodies, strict=True)

    def _month_sitemap(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        ids = index.month_items(ALL_SLUG, page_set.month)
        updated = [
            from_microseconds(row[0]) for row in self._fragments_of(ids, index, ("updated",))
        ]
        yield page_set.paths[0], sitemap.items_sitemap(zip(ids, updated, strict=True), self.site)

    def _sitemap_index(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        months = {
            slug: [month for month, _ in index.months(slug)] for slug in self.all_slugs(index)
        }
        bodies = (
            sitemap.sitemap_index(months[ALL_SLUG], self.site),
            sitemap.listings_sitemap(months, self.site),
        )
        yield from zip(page_set.paths, bodies, strict=True)

    def _lines(self, ids: tuple[str, ...], index: PortalIndex, _: IndexState) -> str:
        """A month's lines in one state of the index; listings often have the same items."""
        return "\n".join(line for (line,) in self._fragments_of(ids, index, ("line",)))

    def _markup(self, ids: Sequence[str], index: PortalIndex, name: str) -> list[Markup]:
        return [Markup(text) for (text,) in self._fragments_of(ids, index, (name,))]  # noqa: S704

    def _fragments_of(
        self, ids: Sequence[str], index: PortalIndex, names: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """Fragments of these items, in order; rendered where none are stored."""
        stored = index.fragments(ids, self.format_hash, names)
        return [
            stored.get(content_id) or self._rendered_fragments(content_id, index, names)
            for content_id in ids
        ]

    def _rendered_fragments(
        self, content_id: str, index: PortalIndex, names: Sequence[str]
    ) -> tuple[Any, ...]:
        stored = index.find_item(content_id)
        if stored is None:
            raise LookupError(content_id)  # a listing has only items of the same index
        fragments = self.fragments(stored)
        return tuple(getattr(fragments, name) for name in names)

    def _render_fragments(self, stored: StoredItem) -> Fragments:
        item = self._item(stored)
        entry = FeedEntry(item, self._pages.feed_entry(item))
        entries = (writer.entry(entry) for writer in FORMAT_WRITERS.values())
        fragments = self._pages.line_fragment(item), self._pages.story_fragment(item)
        return Fragments(to_microseconds(item.updated), *fragments, *entries)

    def _item(self, stored: StoredItem) -> Item:
        return build_item(stored.publication, stored.body_html, self.site)


def assemble_feed(feed_format: str, feed: Feed, fragments: Sequence[bytes]) -> bytes:
    """A whole feed in one format: its frame around the items' fragments."""
    before, after = FORMAT_WRITERS[feed_format].frame(feed)
    return before + FORMAT_WRITERS[feed_format].separator.join(fragments) + after


def _format_hash(site: Site) -> str:
    """A hash that changes whenever the same items would be rendered differently."""
    digest = sha256(f"{_FORMAT_VERSION} {site.public_url} {site.hub} {TEXTS}".encode())
    digest.update("".join(channel.model_dump_json() for channel in site.channels).encode())
    digest.update(site.postal_address.encode())
    digest.update(site.vocabulary.model_dump_json().encode())
    for folder in (TEMPLATE_DIR, STATIC_DIR):
        for path in sorted(folder.iterdir()):
            digest.update(path.read_bytes())
    return digest.hexdigest()
