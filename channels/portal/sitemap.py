"""For search engines: which pages there are (sitemaps.org), and where that is said (robots.txt)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from lxml import etree

from channels.portal.site import Site, map_path, month_path, shelf_path
from channels.portal.tree import Element, child, document, instant

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
STANDING = ("/", "/muc/", "/nguon-tin/", "/kenh/")


def of_items(items: Iterable[tuple[str, datetime]], site: Site) -> bytes:
    """The items of one month, with the moment of their last change."""
    root = _root("urlset")
    for content_id, updated in items:
        _add(root, "url", site.item_url(content_id), updated)
    return document(root)


def of_pages(months: Mapping[str, Sequence[str]], site: Site) -> bytes:
    """The pages that list items: every shelf, and its months."""
    root = _root("urlset")
    for path in STANDING:
        _add(root, "url", site.url(path))
    for slug, its_months in months.items():
        _add(root, "url", site.url(shelf_path(slug)))
        for month in its_months:
            _add(root, "url", site.url(month_path(slug, month)))
    return document(root)


def of_maps(months: Sequence[str], site: Site) -> bytes:
    """The index of all site maps."""
    root = _root("sitemapindex")
    for path in ("/so-do/trang.xml", *map(map_path, months)):
        _add(root, "sitemap", site.url(path))
    return document(root)


def robots(site: Site) -> bytes:
    return f"User-agent: *\nAllow: /\n\nSitemap: {site.url('/sitemap.xml')}\n".encode()


def _root(name: str) -> Element:
    return etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={None: NAMESPACE})


def _add(root: Element, name: str, url: str, updated: datetime | None = None) -> None:
    added = child(root, f"{{{NAMESPACE}}}{name}")
    child(added, f"{{{NAMESPACE}}}loc", url)
    if updated:
        child(added, f"{{{NAMESPACE}}}lastmod", instant(updated))
