"""Page sets: the portal's files apart from item pages, such as feeds and archives."""

import re
from typing import NamedTuple

from channels.portal.model.site import feed_path, listing_path, month_path, sitemap_path

ARCHIVE, FEED, MONTH, LISTING, OVERVIEWS, SITEMAP, SITEMAP_INDEX, HOME = (
    "archive", "feed", "month", "shelf", "lists", "map", "maps", "home",
)  # fmt: skip
FEED_FORMATS = ("rss", "atom", "json")
WRITE_RANKS = {
    kind: rank
    for rank, kind in enumerate(
        (ARCHIVE, FEED, MONTH, LISTING, OVERVIEWS, SITEMAP, SITEMAP_INDEX, HOME)
    )
}
"""Order of writing, in which every link points at a file that exists already."""
OPML_PATH = "/nguon-tin/nguon-tin.opml"
_FIXED_PATHS = {
    OVERVIEWS: ("nguon-tin/index.html", OPML_PATH[1:], "muc/index.html"),
    SITEMAP_INDEX: ("sitemap.xml", "so-do/trang.xml"),
    HOME: ("index.html",),
}

_SLUG, _MONTH = r"(?P<slug>[a-z0-9-]+)", r"(?P<year>\d{4})[/-](?P<month>\d\d)"
_PATTERNS = tuple(
    (kind, re.compile(shape))
    for kind, shape in (
        (FEED, rf"nguon-tin/{_SLUG}\.(?:rss|atom|json)"),
        (ARCHIVE, rf"nguon-tin/{_SLUG}/{_MONTH}(?:-(?P<part>\d+))?\.(?:rss|atom|json)"),
        (LISTING, rf"muc/{_SLUG}/index\.html"),
        (MONTH, rf"muc/{_SLUG}/{_MONTH}/index\.html"),
        (SITEMAP, rf"so-do/{_MONTH}\.xml"),
    )
)


class PageSet(NamedTuple):
    """Files written together: a page, or a feed in all formats. `month` is like 2026-11."""

    kind: str
    slug: str = ""
    month: str = ""
    part: int = 0

    @property
    def key(self) -> str:
        """The page set as the index stores it."""
        return f"{self.kind} {self.slug} {self.month} {self.part}"

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the files, relative to the public folder."""
        if self.kind in _FIXED_PATHS:
            return _FIXED_PATHS[self.kind]
        if self.kind == SITEMAP:
            return (sitemap_path(self.month)[1:],)
        if self.kind in (FEED, ARCHIVE):
            return tuple(archive_path(self, kind)[1:] for kind in FEED_FORMATS)
        page = month_path(self.slug, self.month) if self.month else listing_path(self.slug)
        return (f"{page[1:]}index.html",)


def parse_page_set(key: str) -> PageSet:
    """Parse a `PageSet.key`."""
    kind, slug, month, part = key.split(" ")
    return PageSet(kind, slug, month, int(part))


def archive_path(archive: PageSet, feed_format: str = "") -> str:
    """Path of an archive or a feed; without *feed_format* the common part of its formats."""
    part = f"-{archive.part}" if archive.part > 1 else ""
    month = f"/{archive.month}{part}" if archive.month else ""
    return feed_path(f"{archive.slug}{month}", feed_format)


def page_set_at(path: str) -> PageSet | None:
    """The page set of the file at *path*, relative to the public folder; None for no page set."""
    for kind, paths in _FIXED_PATHS.items():
        if path in paths:
            return PageSet(kind)
    for kind, pattern in _PATTERNS:
        if match := pattern.fullmatch(path):
            return _from_match(kind, match.groupdict())
    return None


def _from_match(kind: str, groups: dict[str, str | None]) -> PageSet:
    month = f"{groups['year']}-{groups['month']}" if "year" in groups else ""
    part = int(groups.get("part") or 1) if kind == ARCHIVE else 0
    return PageSet(kind, groups.get("slug") or "", month, part)
