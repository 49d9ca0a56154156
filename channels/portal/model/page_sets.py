"""Page sets: the portal's files apart from item pages, such as feeds and archives."""

import re
from enum import StrEnum
from typing import NamedTuple

from channels.portal.model.site import (
    CAMPAIGNS_FOLDER,
    FIGURES_PATH,
    campaign_slug,
    feed_path,
    listing_path,
    month_path,
    sitemap_path,
)
from design.frame import URGENT_SHEET


class PageKind(StrEnum):
    """Kinds of page sets in the order of writing: a link points at a file that exists already."""

    ARCHIVE = "archive"
    FEED = "feed"
    MONTH = "month"
    LISTING = "shelf"
    OVERVIEWS = "lists"
    SITEMAP = "map"
    SITEMAP_INDEX = "maps"
    HOME = "home"
    URGENT = "urgent"
    FIGURES = "figures"


FEED_FORMATS = ("rss", "atom", "json")
OPML_PATH = "/nguon-tin/nguon-tin.opml"
FIGURES_JSON, _FIGURES_CSV = f"{FIGURES_PATH}/so-lieu.json", f"{FIGURES_PATH}/so-lieu.csv"
_WRITE_RANKS = {kind: rank for rank, kind in enumerate(PageKind)}
_FIXED_PATHS = {
    PageKind.OVERVIEWS: (
        *("nguon-tin/index.html", OPML_PATH[1:], "muc/index.html"),
        f"{CAMPAIGNS_FOLDER}/index.html",
    ),
    PageKind.SITEMAP_INDEX: ("sitemap.xml", "so-do/trang.xml"),
    PageKind.HOME: ("index.html",),
    PageKind.URGENT: (URGENT_SHEET[1:],),
    PageKind.FIGURES: (f"{FIGURES_PATH[1:]}/index.html", FIGURES_JSON[1:], _FIGURES_CSV[1:]),
}
_SLUG, _MONTH = r"(?P<slug>[a-z0-9-]+)", r"(?P<year>\d{4})[/-](?P<month>\d\d)"
_LISTING = rf"(?:muc/{_SLUG}|{CAMPAIGNS_FOLDER}/(?P<campaign>[a-z0-9-]+))"
_PATTERNS = {
    PageKind.FEED: rf"nguon-tin/{_SLUG}\.(?:rss|atom|json)",
    PageKind.ARCHIVE: rf"nguon-tin/{_SLUG}/{_MONTH}(?:-(?P<part>\d+))?\.(?:rss|atom|json)",
    PageKind.LISTING: rf"{_LISTING}/index\.html",
    PageKind.MONTH: rf"{_LISTING}/{_MONTH}(?:/(?P<part>\d+))?/index\.html",
    PageKind.SITEMAP: rf"so-do/{_MONTH}(?:-(?P<part>\d+))?\.xml",
}


class PageSet(NamedTuple):
    """Files written together: a page, or a feed in all formats. `month` is like 2026-11.

    `part`: of archives from 1 on; 0 for a month's page or site map itself, which has the newest.
    """

    kind: PageKind
    slug: str = ""
    month: str = ""
    part: int = 0

    @property
    def rank(self) -> int:
        """Position of its kind in the order of writing."""
        return _WRITE_RANKS[self.kind]

    @property
    def key(self) -> str:
        """The page set as the index stores it: parts of a month before the page with their link."""
        part = self.part if self.kind is PageKind.ARCHIVE else -self.part
        return f"{self.kind} {self.slug} {self.month} {part}"

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the files, relative to the public folder."""
        if self.kind in _FIXED_PATHS:
            return _FIXED_PATHS[self.kind]
        if self.kind is PageKind.SITEMAP:
            return (sitemap_path(self.month, self.part)[1:],)
        if self.kind in (PageKind.FEED, PageKind.ARCHIVE):
            return tuple(archive_path(self, kind)[1:] for kind in FEED_FORMATS)
        if self.kind is PageKind.MONTH:
            return (f"{month_path(self.slug, self.month, self.part)[1:]}index.html",)
        return (f"{listing_path(self.slug)[1:]}index.html",)


def parse_page_set(key: str) -> PageSet:
    """Parse a `PageSet.key`."""
    kind, slug, month, part = key.split(" ")
    return PageSet(PageKind(kind), slug, month, abs(int(part)))


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
    for kind, pattern in _PATTERNS.items():
        if match := re.fullmatch(pattern, path):
            groups = match.groupdict()
            month = f"{groups['year']}-{groups['month']}" if "year" in groups else ""
            first = 1 if kind is PageKind.ARCHIVE else 0
            part = int(groups.get("part") or first)
            campaign = groups.get("campaign")
            slug = campaign_slug(campaign) if campaign else groups.get("slug") or ""
            return PageSet(kind, slug, month, part)
    return None
