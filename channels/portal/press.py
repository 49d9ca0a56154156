"""From the index to files: which files an item, a feed or a page has, and their bytes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from markupsafe import Markup

from channels.portal import atom, body, json_feed, opml, rss, sitemap
from channels.portal.feeds import EMPTY, Entry, Feed, gather
from channels.portal.fragments import Fragments
from channels.portal.index import Index, Row
from channels.portal.item import Item, view
from channels.portal.months import moment, ticks
from channels.portal.pages import FEED_LIMIT, STATIC, TEMPLATES, Pages
from channels.portal.places import (
    ARCHIVE,
    FEED,
    HOME,
    LISTS,
    MAP,
    MAPS,
    MONTH,
    SHELF,
    Place,
    archive_path,
)
from channels.portal.search.catalogue import Paper
from channels.portal.search.paper import paper
from channels.portal.shelves import State
from channels.portal.site import ALL, COVER_PATH, Site, item_path
from channels.portal.texts import TEXTS
from contracts.publication import Publication

HOME_LIMIT = 30
CHANGES_LIMIT = 20
"""Beside its newest items a feed has so many older ones, those that were changed last."""
ENTRIES = 4 * FEED_LIMIT
"""How many items stay in memory whose fragments are those of an earlier edition."""
LISTS_KEPT = 4
"""So many months' lines stay in memory, for the next shelf with the same items."""

EDITION = 3
"""Raised when the code writes the same item differently."""


class Format(NamedTuple):
    """How a feed is written: its frame, an entry, and what stands between two entries."""

    frame: Callable[[Feed], tuple[bytes, bytes]]
    entry: Callable[[Entry], bytes]
    between: bytes


FORMATS = {
    "rss": Format(rss.frame, rss.entry, rss.BETWEEN),
    "atom": Format(atom.frame, atom.entry, atom.BETWEEN),
    "json": Format(json_feed.frame, json_feed.entry, json_feed.BETWEEN),
}
OF_FEEDS = ("updated", *FORMATS)

File = tuple[str, bytes | None]
"""A path below the root and its bytes; None = no such file may be there."""


class Press:
    """Writes nothing itself: says what the files of one site hold."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._pages = Pages(site)
        self.edition = _edition(site)
        self.fragments = lru_cache(maxsize=ENTRIES)(self._fragments)
        self.lines = lru_cache(maxsize=LISTS_KEPT)(self._lines)
        self._files: dict[str, Callable[[Place, Index], Iterator[File]]] = {
            FEED: self._feed,
            ARCHIVE: self._archive,
            SHELF: self._shelf,
            MONTH: self._month,
            HOME: self._home,
            LISTS: self._lists,
            MAP: self._map,
            MAPS: self._maps,
        }

    @property
    def part(self) -> int:
        """How many items an archive holds: no more than a feed, so that nothing lies between."""
        return FEED_LIMIT

    def row(self, publication: Publication) -> Row:
        """The publication with its text rendered; a withdrawn text is not kept."""
        if publication.action == "withdrawn":
            return Row(publication.model_copy(update={"body": ""}).model_dump_json(), "")
        url = self.site.item_url(publication.content_id)
        return Row(publication.model_dump_json(), body.to_html(publication.body, url))

    def paper(self, row: Row) -> Paper | None:
        """The item as it is searched; one that was withdrawn is not."""
        item = self._view(row)
        return None if item.withdrawn else paper(item, self.site)

    def fixed_files(self) -> Iterator[File]:
        """What every site has, before its first item."""
        for asset in (self._pages.css, self._pages.icon):
            yield asset.path[1:], asset.body
        yield COVER_PATH[1:], (STATIC / "loa-cover.png").read_bytes()
        yield "kenh/index.html", self._pages.channels()
        yield "gioi-thieu/index.html", self._pages.about()
        yield "robots.txt", sitemap.robots(self.site)
        yield "404.html", self._pages.missing()

    def item_files(self, row: Row) -> Iterator[File]:
        """The item's page; beside that of a withdrawn one `410.html`, for web servers to go by."""
        item = self._view(row)
        page, folder = self._pages.item(item), item_path(item.publication.content_id)[1:]
        yield f"{folder}/index.html", page
        yield f"{folder}/410.html", page if item.withdrawn else None

    def files(self, place: Place, index: Index) -> Iterator[File]:
        """The files of a place; None for each where the index has no reason for it any more."""
        if self.exists(place, index):
            return self._files[place.kind](place, index)
        return ((path, None) for path in place.paths)

    def everything(self, index: Index) -> Iterator[Place]:
        """Every place that has files."""
        yield from (Place(LISTS), Place(MAPS), Place(HOME))
        yield from (Place(MAP, "", month) for month, _ in index.months(ALL))
        for slug in self.slugs(index):
            yield from (Place(FEED, slug), Place(SHELF, slug))
            yield from (Place(MONTH, slug, month) for month, _ in index.months(slug))
            last = index.open_part(slug, self.part)
            yield from (part for part in index.parts(slug, self.part) if part != last)

    def exists(self, place: Place, index: Index) -> bool:
        """Whether there is a reason for the place's files."""
        match place.kind:
            case "archive":
                return index.is_closed(place, self.part)
            case "month" | "map":
                return index.in_month(place.slug or ALL, place.month) > 0
            case "feed" | "shelf":
                return place.slug in self.slugs(index)
        return True

    def documents(self, publication: Publication, index: Index) -> list[str]:
        """Paths of the Atom documents in which readers of everything, and of its topic, find it."""
        slugs = dict.fromkeys((ALL, publication.topic))
        name = publication.content_id
        places = (index.place_in(one, name, self.part, CHANGES_LIMIT) for one in slugs)
        return [archive_path(place, "atom") for place in places if place]

    def slugs(self, index: Index) -> list[str]:
        """The shelves of the vocabulary, and whatever else has items."""
        return list(dict.fromkeys([*self.site.standing_slugs(), *index.slugs()]))

    def _feed(self, place: Place, index: Index) -> Iterator[File]:
        last = index.open_part(place.slug, self.part)
        older = index.before(last, self.part) if last else None
        feed = replace(gather(place.slug, self.site), older=self._address(older))
        ids = index.in_feed(place.slug, self.part, CHANGES_LIMIT)
        yield from self._in_all_formats(feed, ids, place, index)

    def _archive(self, place: Place, index: Index) -> Iterator[File]:
        newer = index.after(place, self.part)
        feed = replace(
            gather(place.slug, self.site),
            address=self._address(place),
            older=self._address(index.before(place, self.part)),
            newer=self._address(newer if newer and self.exists(newer, index) else None),
        )
        yield from self._in_all_formats(feed, index.of_part(place, self.part)[::-1], place, index)

    def _address(self, archive: Place | None) -> str:
        return self.site.url(archive_path(archive)) if archive else ""

    def _in_all_formats(
        self, feed: Feed, ids: Sequence[str], place: Place, index: Index
    ) -> Iterator[File]:
        found = self._of(ids, index, OF_FEEDS)
        updated = moment(max(one[0] for one in found)) if found else EMPTY
        columns = list(zip(*found, strict=True))[1:] or [()] * len(FORMATS)
        for path, kind, fragments in zip(place.paths, FORMATS, columns, strict=True):
            yield path, written(kind, replace(feed, updated=updated), fragments)

    def _shelf(self, place: Place, index: Index) -> Iterator[File]:
        ids = index.newest(place.slug, HOME_LIMIT, listed=True)
        stories = self._html(ids, index, "story")
        months = [one for one in index.months(place.slug) if one[1]]
        yield place.paths[0], self._pages.shelf(place.slug, stories, months)

    def _month(self, place: Place, index: Index) -> Iterator[File]:
        ids = tuple(index.of_month(place.slug, place.month))
        # One piece for the template: a month may have thousands of lines.
        lines = [Markup(self.lines(ids, index, index.state))] if ids else []  # noqa: S704
        beside = index.neighbours(place.slug, place.month)
        yield place.paths[0], self._pages.month(place.slug, place.month, lines, beside)

    def _home(self, place: Place, index: Index) -> Iterator[File]:
        stories = self._html(index.newest(ALL, HOME_LIMIT, listed=True), index, "story")
        yield place.paths[0], self._pages.home(stories, index.slugs())

    def _lists(self, place: Place, index: Index) -> Iterator[File]:
        used = set(index.slugs())  # system labels have feeds, and are named once they have an item
        slugs = [one for one in self.slugs(index) if self.site.is_chosen(one) or one in used]
        feeds, shelves = self._pages.feeds(slugs), self._pages.shelves(slugs, used)
        bodies = (feeds, opml.write(slugs, self.site), shelves)
        yield from zip(place.paths, bodies, strict=True)

    def _map(self, place: Place, index: Index) -> Iterator[File]:
        ids = index.of_month(ALL, place.month)
        ages = [moment(one[0]) for one in self._of(ids, index, ("updated",))]
        yield place.paths[0], sitemap.of_items(zip(ids, ages, strict=True), self.site)

    def _maps(self, place: Place, index: Index) -> Iterator[File]:
        months = {slug: [month for month, _ in index.months(slug)] for slug in self.slugs(index)}
        bodies = (sitemap.of_maps(months[ALL], self.site), sitemap.of_pages(months, self.site))
        yield from zip(place.paths, bodies, strict=True)

    def _lines(self, ids: tuple[str, ...], index: Index, _: State) -> str:
        """Of a month, in one state of the index: many shelves list alike what is for everybody."""
        return "\n".join(line for (line,) in self._of(ids, index, ("line",)))

    def _html(self, ids: Sequence[str], index: Index, name: str) -> list[Markup]:
        return [Markup(text) for (text,) in self._of(ids, index, (name,))]  # noqa: S704

    def _of(self, ids: Sequence[str], index: Index, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Fragments of these items, in their order; made anew where none are kept."""
        kept = index.fragments(ids, self.edition, names)
        return [kept.get(one) or self._made(one, index, names) for one in ids]

    def _made(self, content_id: str, index: Index, names: Sequence[str]) -> tuple[Any, ...]:
        row = index.row(content_id)
        if row is None:
            raise LookupError(content_id)  # a shelf names only items of the same index
        made = self.fragments(row)
        return tuple(getattr(made, name) for name in names)

    def _fragments(self, row: Row) -> Fragments:
        item = self._view(row)
        entry = Entry(item, self._pages.entry(item))
        feeds = (one.entry(entry) for one in FORMATS.values())
        lists = self._pages.line(item), self._pages.story(item)
        return Fragments(ticks(item.updated), *lists, *feeds)

    def _view(self, row: Row) -> Item:
        return view(row.publication, row.body, self.site)


def written(kind: str, feed: Feed, fragments: Sequence[bytes]) -> bytes:
    """A whole feed: its frame around what its items are in this format."""
    before, after = FORMATS[kind].frame(feed)
    return before + FORMATS[kind].between.join(fragments) + after


def _edition(site: Site) -> str:
    """Changes whenever the same items would be written differently."""
    hashed = sha256(f"{EDITION} {site.public_url} {site.hub} {TEXTS}".encode())
    hashed.update("".join(one.model_dump_json() for one in site.channels).encode())
    hashed.update(site.postal_address.encode())
    hashed.update(site.vocabulary.model_dump_json().encode())
    for folder in (TEMPLATES, STATIC):
        for path in sorted(folder.iterdir()):
            hashed.update(path.read_bytes())
    return hashed.hexdigest()
