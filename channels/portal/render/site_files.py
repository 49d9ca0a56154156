"""The site's files: paths and bytes of items and page sets, rendered from the index."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from markupsafe import Markup

from channels.portal.index.campaigns import ShownCampaign
from channels.portal.index.index import Fragments, PortalIndex, RelatedItem, StoredItem
from channels.portal.index.listings import FEED_LIMIT, IndexState
from channels.portal.model import body
from channels.portal.model.cover import CoverPicture
from channels.portal.model.figures import figures_csv, figures_json
from channels.portal.model.item import Item, build_item
from channels.portal.model.months import from_microseconds, to_microseconds
from channels.portal.model.page_sets import PageKind, PageSet, archive_path
from channels.portal.model.site import (
    ALL_SLUG,
    ASSETS_PATH,
    CORRECTIONS_SLUG,
    DEFAULT_COVER_PATH,
    Site,
    item_path,
)
from channels.portal.model.texts import TEXTS
from channels.portal.render import atom, json_feed, opml, rss, sitemap
from channels.portal.render.default_cover import STATIC_DIR, default_cover
from channels.portal.render.feed import EMPTY_FEED_DATE, Feed, FeedEntry, feed_of_listing
from channels.portal.render.html import TEMPLATE_DIR, HtmlPages, Stories
from channels.portal.render.urgent_sheet import urgent_sheet
from channels.portal.search.document import build_document
from channels.portal.search.index import SearchDocument
from channels.portal.storage.atomic_files import RenderedFile
from channels.portal.storage.covers import CoverFiles
from contracts.base.markdown_size import RENDERED_MAX
from contracts.publication import Publication
from contracts.text.moments import VIETNAM
from design.frame import design_hash

T = TypeVar("T")
_HOME_LIMIT = 12
_LISTING_LIMIT = 30
_HOME_CHANGES = 3
"""The last corrections and withdrawals on the home page, if they are of one day."""
_FRAGMENT_CACHE_SIZE = 4 * FEED_LIMIT
"""Items in memory whose stored fragments are of an earlier format."""
_LINES_CACHE_SIZE = 4
"""Pages of months in memory whose lines the next listing with the same items can use."""
_LAZY = ' loading="lazy"'
_NO_TEXT: dict[str, Any] = {
    **dict.fromkeys(("author", "cover")),
    **dict.fromkeys(("summary", "body"), ""),
    **dict.fromkeys(("links", "attachments"), ()),
}
"""A withdrawn text as it is kept: its titles alone, as withdrawals are released."""
_FORMAT_VERSION = 6
"""To be raised when the code renders the same item differently."""


class _FormatWriter(NamedTuple):
    """The functions that render a feed format, and the separator of its entries."""

    frame: Callable[[Feed], tuple[bytes, bytes]]
    entry: Callable[[FeedEntry], bytes]
    separator: bytes


FORMAT_WRITERS = {
    "rss": _FormatWriter(rss.render_frame, rss.render_entry, rss.SEPARATOR),
    "atom": _FormatWriter(atom.render_frame, atom.render_entry, atom.SEPARATOR),
    "json": _FormatWriter(json_feed.render_frame, json_feed.render_entry, json_feed.SEPARATOR),
}
_FEED_COLUMNS = ("updated", *FORMAT_WRITERS)


class SiteFiles:
    """Renders the files of one site; writes nothing to disk.

    *public*: the folder with the derivatives of covers; without it pages show none.
    """

    def __init__(
        self, site: Site, public: Path | None = None, like: "SiteFiles | None" = None
    ) -> None:
        self.site, self.public = site, public
        self._pages: HtmlPages = like._pages if like else HtmlPages(site)
        self._covers = CoverFiles(public)
        known = (ALL_SLUG, *site.topics(), *site.units(), *site.audiences())
        self._known_slugs = dict.fromkeys(known)
        self.format_hash: str = like.format_hash if like else _format_hash(site)
        self._cached_fragments = lru_cache(maxsize=_FRAGMENT_CACHE_SIZE)(self._render_fragments)
        self.lines = lru_cache(maxsize=_LINES_CACHE_SIZE)(self._lines)
        self._renderers: dict[str, Callable[[PageSet, PortalIndex], Iterator[RenderedFile]]] = {
            PageKind.FEED: self._feed_files,
            PageKind.ARCHIVE: self._archive_files,
            PageKind.LISTING: self._listing_page,
            PageKind.MONTH: self._month_page,
            PageKind.HOME: self._home_page,
            PageKind.URGENT: self._urgent_sheet,
            PageKind.FIGURES: self._figures,
            PageKind.OVERVIEWS: self._overviews,
            PageKind.SITEMAP: self._month_sitemap,
            PageKind.SITEMAP_INDEX: self._sitemap_index,
        }

    def with_covers(self, public: Path) -> "SiteFiles":
        """The same files, with the derivatives of covers below *public*."""
        return SiteFiles(self.site, public, self)

    def to_stored_item(self, publication: Publication) -> StoredItem:
        """Render the publication's body for the index; of a withdrawn text only the title stays."""
        return self.with_body(self.to_unrendered_item(publication))

    def to_unrendered_item(self, publication: Publication) -> StoredItem:
        if publication.action == "withdrawn":
            publication = publication.model_copy(update=_NO_TEXT)
        return StoredItem(publication.model_dump_json(), "")

    def with_body(self, unrendered: StoredItem) -> StoredItem:
        publication = unrendered.publication
        url = self.site.item_url(publication.content_id)
        return replace(unrendered, body_html=body.to_html(publication.body, url))

    def search_document(self, stored: StoredItem) -> SearchDocument | None:
        """The item's search document; None if it is withdrawn."""
        item = self._item(stored)
        return None if item.withdrawn else build_document(item, self.site)

    def fixed_files(self) -> Iterator[RenderedFile]:
        """Files that every site has before its first item."""
        cover = default_cover()
        for asset in (*self._pages.frame.files, *self._pages.qr_codes.values(), cover):
            yield f"{ASSETS_PATH}/{asset.name}"[1:], asset.body
        yield DEFAULT_COVER_PATH[1:], cover.body
        yield "kenh/index.html", self._pages.channels()
        yield "gioi-thieu/index.html", self._pages.about()
        yield "robots.txt", sitemap.robots_txt(self.site)
        yield "404.html", self._pages.not_found()

    def item_files(
        self,
        stored: StoredItem,
        related: Sequence[RelatedItem],
        campaign: ShownCampaign | None = None,
    ) -> Iterator[RenderedFile]:
        """The item's page; a withdrawn item also has `410.html`, a signal to web servers.

        Derivatives of a cover that the item no longer has must not be there.
        """
        item = self._item(stored, self._covers.picture(stored.publication))
        page = self._pages.item(item, related, campaign)
        folder = item_path(item.publication.content_id)[1:]
        yield f"{folder}/index.html", page
        yield f"{folder}/410.html", page if item.withdrawn else None
        for path in self._covers.unused(item.publication):
            yield path, None

    def has_cover_file(self, stored: StoredItem, path: str) -> bool:
        """Whether the file at *path* below `anh/` is of the item's present cover."""
        return path not in self._covers.unused(stored.publication)

    def has_picture(self, publication: Publication) -> bool:
        """Whether the derivatives of the item's cover are there."""
        return self._covers.picture(publication) is not None

    def fragments(self, stored: StoredItem) -> Fragments:
        """The item as it is rendered for feeds and lists, with its picture if that is there."""
        return self._cached_fragments(stored, self._covers.picture(stored.publication))

    def page_set_files(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        """Files of a page set; without content when the page set is not needed any more."""
        if self.is_needed(page_set, index):
            return self._renderers[page_set.kind](page_set, index)
        return ((path, None) for path in page_set.paths)

    def all_page_sets(self, index: PortalIndex) -> Iterator[PageSet]:
        """Every page set with files."""
        single = PageKind.OVERVIEWS, PageKind.SITEMAP_INDEX, PageKind.HOME, PageKind.URGENT
        yield from map(PageSet, (*single, PageKind.FIGURES))
        yield from index.site_maps()
        for slug in self._all_slugs(index):
            yield from (PageSet(PageKind.FEED, slug), PageSet(PageKind.LISTING, slug))
            yield from index.month_pages(slug)
            last = index.open_part(slug)
            yield from (part for part in index.all_parts(slug) if part != last)

    def is_needed(self, page_set: PageSet, index: PortalIndex) -> bool:
        """Whether the index needs the page set's files."""
        is_campaign = self.site.slug_kind(page_set.slug) == "campaign"
        if is_campaign and index.campaign(page_set.slug) is None:
            return False
        match page_set.kind:
            case PageKind.ARCHIVE:
                return index.is_closed_part(page_set)
            case PageKind.MONTH | PageKind.SITEMAP:
                items = index.count_month_items(page_set.slug or ALL_SLUG, page_set.month)
                return items > 0 and page_set.part <= index.closed_parts(page_set)
            case PageKind.FEED | PageKind.LISTING:
                return is_campaign or self._has_listing(page_set.slug, index)
        return True

    def atom_documents(self, publication: Publication, index: PortalIndex) -> list[str]:
        """Paths of the Atom documents with the item: of all items, and of its topic."""
        slugs = dict.fromkeys((ALL_SLUG, publication.topic))
        page_sets = (index.feed_with_item(slug, publication.content_id) for slug in slugs)
        return [archive_path(page_set, "atom") for page_set in page_sets if page_set]

    def _has_listing(self, slug: str, index: PortalIndex) -> bool:
        """Whether the slug has a feed and a listing: it is of the vocabulary, or has items."""
        return slug in self._known_slugs or index.has_items(slug)

    def _all_slugs(self, index: PortalIndex) -> list[str]:
        """Slugs of the vocabulary and all others with items."""
        used = [slug for slug in index.used_slugs() if self.site.slug_kind(slug) != "campaign"]
        campaigns = (one.slug for one in index.campaigns())
        return list(dict.fromkeys([*self._known_slugs, *used, *campaigns]))

    def _feed_files(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        last = index.open_part(page_set.slug)
        older = index.previous_part(last) if last else None
        feed = replace(self._empty_feed(page_set.slug, index), older=self._address(older))
        return self._in_all_formats(feed, index.feed_items(page_set.slug), page_set, index)

    def _archive_files(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        newer = index.next_part(page_set)
        feed = replace(
            self._empty_feed(page_set.slug, index),
            address=self._address(page_set),
            older=self._address(index.previous_part(page_set)),
            newer=self._address(newer if newer and self.is_needed(newer, index) else None),
        )
        return self._in_all_formats(feed, index.archive_items(page_set), page_set, index)

    def _empty_feed(self, slug: str, index: PortalIndex) -> Feed:
        campaign = index.campaign(slug)
        return feed_of_listing(slug, self.site, campaign.title if campaign else "")

    def _address(self, archive: PageSet | None) -> str:
        return self.site.url(archive_path(archive)) if archive else ""

    def _in_all_formats(
        self, feed: Feed, ids: Sequence[str], page_set: PageSet, index: PortalIndex
    ) -> Iterator[RenderedFile]:
        rows = self._fragments_of(ids, index, _FEED_COLUMNS)
        updated = from_microseconds(max(row[0] for row in rows)) if rows else EMPTY_FEED_DATE
        columns = list(zip(*rows, strict=True))[1:] or [()] * len(FORMAT_WRITERS)
        feed = replace(feed, updated=updated)
        for path, kind, fragments in zip(page_set.paths, FORMAT_WRITERS, columns, strict=True):
            yield path, assemble_feed(kind, feed, fragments)

    def _listing_page(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        if self.site.is_corrections(page_set.slug):
            stories = self._changes(index.newest_items(page_set.slug, _LISTING_LIMIT), index)
        else:
            stories = self._stories(page_set.slug, index, _LISTING_LIMIT)
        months = [month for month in index.months(page_set.slug) if month[1]]
        if campaign := index.campaign(page_set.slug):
            page = self._campaign_page(campaign, stories, months, index)
        else:
            page = self._pages.listing(page_set.slug, stories, months)
        yield page_set.paths[0], page

    def _campaign_page(
        self,
        campaign: ShownCampaign,
        stories: Stories,
        months: Sequence[tuple[str, int]],
        index: PortalIndex,
    ) -> bytes:
        [head] = self._items_of([campaign.content_id], index)
        return self._pages.campaign(campaign, head, stories, months)

    def _month_page(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        ids = tuple(index.month_items(page_set))
        items: Stories | list[Markup] = []
        if self.site.is_corrections(page_set.slug):
            items = self._changes(ids, index)
        elif ids:
            items = [Markup(self.lines(ids, index, index.change_state))]  # noqa: S704
        campaign = index.campaign(page_set.slug)
        given = page_set, items, index.adjacent_pages(page_set), campaign.title if campaign else ""
        yield page_set.paths[0], self._pages.month(*given)

    def _home_page(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        stories = self._stories(ALL_SLUG, index, _HOME_LIMIT)
        changes = self._last_changes(index) if self.site.is_corrections(CORRECTIONS_SLUG) else []
        yield page_set.paths[0], self._pages.home(stories, index.used_slugs(), changes)

    def _urgent_sheet(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        urgent = index.urgent_items(ALL_SLUG)
        newest = index.find_item(urgent[0]) if urgent else None
        title = newest.publication.title if newest else ""
        yield page_set.paths[0], urgent_sheet(title, len(urgent) - 1)

    def _figures(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        figures = index.figures
        page, as_json, as_csv = page_set.paths
        yield as_json, figures_json(figures) if figures else None
        yield as_csv, figures_csv(figures) if figures else None
        yield page, self._pages.figures(figures)

    def _overviews(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        # System labels have feeds, and are listed once they have an item.
        used = set(index.used_slugs())
        slugs = self._all_slugs(index)
        names = {one.slug: one.title for one in index.campaigns() if one.is_out}
        slugs = [slug for slug in slugs if self._is_offered(slug, used, names)]
        feeds, opml_path, listings, campaigns = page_set.paths
        yield feeds, self._pages.feed_overview(slugs, names)
        yield opml_path, opml.render_opml(slugs, self.site, names)
        yield listings, self._pages.listing_overview(slugs, used, names)
        yield campaigns, self._campaign_overview(index)

    def _campaign_overview(self, index: PortalIndex) -> bytes | None:
        """The page of the campaigns that are out, the newest first; none before the first one."""
        shown = index.campaigns()
        out = [one for one in shown if one.is_out]
        heads = self._items_of([one.content_id for one in out], index)
        pairs = sorted(zip(out, heads, strict=True), key=_beginning, reverse=True)
        return self._pages.campaign_overview(pairs) if shown else None

    def _is_offered(self, slug: str, used: Collection[str], campaigns: Collection[str]) -> bool:
        """Whether readers are offered a listing: a label with items, a campaign that is out."""
        if self.site.slug_kind(slug) == "campaign":
            return slug in campaigns
        return self.site.is_subscribable(slug) or slug in used

    def _month_sitemap(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        ids = index.month_items(page_set)
        rows = self._fragments_of(ids, index, ("updated",))
        updated = [from_microseconds(row[0]) for row in rows]
        yield page_set.paths[0], sitemap.items_sitemap(zip(ids, updated, strict=True), self.site)

    def _sitemap_index(self, page_set: PageSet, index: PortalIndex) -> Iterator[RenderedFile]:
        slugs = self._all_slugs(index)
        months = {slug: [month for month, _ in index.months(slug)] for slug in slugs}
        first, second = page_set.paths
        yield first, sitemap.sitemap_index([one.paths[0] for one in index.site_maps()], self.site)
        yield second, sitemap.listings_sitemap(months, self.site)

    def _lines(self, ids: tuple[str, ...], index: PortalIndex, _: IndexState) -> str:
        """The lines of a month's page in one state of the index, which other listings may have."""
        return "\n".join(line for (line,) in self._fragments_of(ids, index, ("line",)))

    def _stories(self, slug: str, index: PortalIndex, limit: int) -> Stories:
        """The urgent items of a listing, and the newest *limit* others."""
        urgent = index.urgent_items(slug)
        campaign = index.campaign(slug)
        head = campaign.content_id if campaign else ""
        urgent = [content_id for content_id in urgent if content_id != head]
        newest = index.newest_items(slug, limit + len(urgent) + 1, listed=True)
        others = [content_id for content_id in newest if content_id not in {*urgent, head}][:limit]
        rows = self._fragments_of([*urgent, *others], index, ("story",))
        texts = [Markup(text) for (text,) in rows]  # noqa: S704
        if texts:
            texts[0] = Markup(texts[0].replace(_LAZY, Markup(""), 1))  # noqa: S704 - seen at once
        published = index.published_at(slug, others)
        return Stories(texts[: len(urgent)], _by_day(published, texts[len(urgent) :]))

    def _changes(self, ids: Sequence[str], index: PortalIndex) -> Stories:
        """Corrected and withdrawn items, by the day of their last change."""
        items = self._items_of(ids, index)
        texts = [Markup(self._pages.fragment("change", item)) for item in items]  # noqa: S704
        return Stories((), _by_day(index.published_at(CORRECTIONS_SLUG, ids), texts))

    def _last_changes(self, index: PortalIndex) -> list[Item]:
        """The last change and those of the same day, _HOME_CHANGES at most."""
        ids = index.newest_items(CORRECTIONS_SLUG, _HOME_CHANGES)
        days = _by_day(index.published_at(CORRECTIONS_SLUG, ids), self._items_of(ids, index))
        return [*days[0][1]] if days else []

    def _items_of(self, ids: Sequence[str], index: PortalIndex) -> list[Item]:
        return [self._item(stored) for stored in map(index.find_item, ids) if stored]

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

    def _render_fragments(self, stored: StoredItem, picture: CoverPicture | None) -> Fragments:
        item = self._item(stored, picture)
        render = self._pages.fragment
        entry = FeedEntry(item, render("entry", item))
        entries = (writer.entry(entry) for writer in FORMAT_WRITERS.values())
        lines = render("line", item), render("story", item)
        return Fragments(to_microseconds(item.updated), *lines, *entries)

    def _item(self, stored: StoredItem, picture: CoverPicture | None = None) -> Item:
        return build_item(stored.publication, self._current_body(stored), self.site, picture)

    def _current_body(self, stored: StoredItem) -> str:
        """The body; rendered again where an earlier Loa left other words, pictures or no bound."""
        html = stored.body_html
        if len(html) <= RENDERED_MAX and body.is_current(html):
            return html
        publication = stored.publication
        return body.to_html(publication.body, self.site.item_url(publication.content_id))


def _by_day(published: Sequence[int], shown: Sequence[T]) -> Sequence[tuple[datetime, Sequence[T]]]:
    """*shown* in groups by the day in Vietnam; *published*: microseconds of each."""
    days = groupby(zip(published, shown, strict=True), key=_vietnam_day)
    return [(day, [one for _, one in rows]) for day, rows in days]


def _beginning(campaign: tuple[ShownCampaign, Item]) -> tuple[datetime, str]:
    """When readers first saw a campaign; of two at once, their names decide."""
    return campaign[1].published, campaign[0].slug


def _vietnam_day(row: tuple[int, object]) -> datetime:
    """Midnight of the day in Vietnam; *row* begins with microseconds."""
    at = from_microseconds(row[0]).astimezone(VIETNAM)
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def assemble_feed(feed_format: str, feed: Feed, fragments: Sequence[bytes]) -> bytes:
    """A whole feed in one format: its frame around the items' fragments."""
    before, after = FORMAT_WRITERS[feed_format].frame(feed)
    return before + FORMAT_WRITERS[feed_format].separator.join(fragments) + after


def _format_hash(site: Site) -> str:
    """A hash that changes whenever the same items would be rendered differently."""
    digest = sha256(f"{_FORMAT_VERSION} {site.public_url} {site.hub} {TEXTS}".encode())
    digest.update("".join(channel.model_dump_json() for channel in site.channels).encode())
    digest.update(
        f"{site.identity.model_dump_json()} {site.channels_updated} {site.mail_sender}".encode()
    )
    digest.update(design_hash(site.identity).encode())
    digest.update(site.vocabulary.model_dump_json().encode())
    for folder in (TEMPLATE_DIR, STATIC_DIR):
        for path in sorted(folder.iterdir()):
            digest.update(path.read_bytes())
    return digest.hexdigest()
