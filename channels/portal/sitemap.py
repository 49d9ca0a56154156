"""For search engines: which pages there are (sitemaps.org), and where that is said (robots.txt)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from xml.sax.saxutils import escape

from channels.portal.site import Site, map_path, month_path, shelf_path
from channels.portal.tree import instant

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
STANDING = ("/", "/muc/", "/nguon-tin/", "/kenh/", "/gioi-thieu/")


def of_items(items: Iterable[tuple[str, datetime]], site: Site) -> bytes:
    """The items of one month, with the moment of their last change."""
    return _written("urlset", (_part("url", site.item_url(one), at) for one, at in items))


def of_pages(months: Mapping[str, Sequence[str]], site: Site) -> bytes:
    """The pages that list items: every shelf, and its months."""
    paths = [*STANDING]
    for slug, its_months in months.items():
        paths += [shelf_path(slug), *(month_path(slug, month) for month in its_months)]
    return _written("urlset", (_part("url", site.url(path)) for path in paths))


def of_maps(months: Sequence[str], site: Site) -> bytes:
    """The index of all site maps."""
    paths = ("/so-do/trang.xml", *map(map_path, months))
    return _written("sitemapindex", (_part("sitemap", site.url(path)) for path in paths))


def robots(site: Site) -> bytes:
    return f"User-agent: *\nAllow: /\n\nSitemap: {site.url('/sitemap.xml')}\n".encode()


def _part(name: str, url: str, updated: datetime | None = None) -> str:
    """One entry. Text, and no tree: a month has many."""
    changed = f"<lastmod>{instant(updated)}</lastmod>" if updated else ""
    return f"<{name}><loc>{escape(url)}</loc>{changed}</{name}>\n"


def _written(root: str, parts: Iterable[str]) -> bytes:
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<{root} xmlns="{NAMESPACE}">\n'
    return f"{head}{''.join(parts)}</{root}>\n".encode()
