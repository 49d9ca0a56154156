"""What the portal consists of, apart from its items: feeds, archives, lists, maps for robots."""

import re
from typing import NamedTuple

from channels.portal.site import feed_path, map_path, month_path, shelf_path

ARCHIVE, FEED, MONTH, SHELF, LISTS, MAP, MAPS, HOME = (
    "archive", "feed", "month", "shelf", "lists", "map", "maps", "home",
)  # fmt: skip
KINDS = ("rss", "atom", "json")
RANKS = {
    kind: rank for rank, kind in enumerate((ARCHIVE, FEED, MONTH, SHELF, LISTS, MAP, MAPS, HOME))
}
"""In which order places are written: nothing points at what is not there yet."""
OPML_PATH = "/nguon-tin/nguon-tin.opml"
_STANDING = {
    LISTS: ("nguon-tin/index.html", OPML_PATH[1:], "muc/index.html"),
    MAPS: ("sitemap.xml", "so-do/trang.xml"),
    HOME: ("index.html",),
}

_SLUG, _MONTH = r"(?P<slug>[a-z0-9-]+)", r"(?P<year>\d{4})[/-](?P<month>\d\d)"
_SHAPES = tuple(
    (kind, re.compile(shape))
    for kind, shape in (
        (FEED, rf"nguon-tin/{_SLUG}\.(?:rss|atom|json)"),
        (ARCHIVE, rf"nguon-tin/{_SLUG}/{_MONTH}(?:-(?P<part>\d+))?\.(?:rss|atom|json)"),
        (SHELF, rf"muc/{_SLUG}/index\.html"),
        (MONTH, rf"muc/{_SLUG}/{_MONTH}/index\.html"),
        (MAP, rf"so-do/{_MONTH}\.xml"),
    )
)


class Place(NamedTuple):
    """One page, or one feed in its formats. `month` is like 2026-11; parts count from 1."""

    kind: str
    slug: str = ""
    month: str = ""
    part: int = 0

    @property
    def key(self) -> str:
        """As the index keeps it."""
        return f"{self.kind} {self.slug} {self.month} {self.part}"

    @property
    def paths(self) -> tuple[str, ...]:
        """The files of this place, below the root."""
        if self.kind in _STANDING:
            return _STANDING[self.kind]
        if self.kind == MAP:
            return (map_path(self.month)[1:],)
        if self.kind in (FEED, ARCHIVE):
            return tuple(archive_path(self, kind)[1:] for kind in KINDS)
        page = month_path(self.slug, self.month) if self.month else shelf_path(self.slug)
        return (f"{page[1:]}index.html",)


def place(key: str) -> Place:
    """What `Place.key` wrote."""
    kind, slug, month, part = key.split(" ")
    return Place(kind, slug, month, int(part))


def archive_path(archive: Place, kind: str = "") -> str:
    """Where an archive, or a feed, lies; without *kind* what its formats have in common."""
    part = f"-{archive.part}" if archive.part > 1 else ""
    month = f"/{archive.month}{part}" if archive.month else ""
    return feed_path(f"{archive.slug}{month}", kind)


def place_at(path: str) -> Place | None:
    """The place to which a file belongs; *path* lies below the root."""
    for kind, paths in _STANDING.items():
        if path in paths:
            return Place(kind)
    for kind, shape in _SHAPES:
        if found := shape.fullmatch(path):
            return _place(kind, found.groupdict())
    return None


def _place(kind: str, found: dict[str, str | None]) -> Place:
    month = f"{found['year']}-{found['month']}" if "year" in found else ""
    part = int(found.get("part") or 1) if kind == ARCHIVE else 0
    return Place(kind, found.get("slug") or "", month, part)
