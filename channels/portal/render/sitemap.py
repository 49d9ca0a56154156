"""Sitemaps (sitemaps.org) and robots.txt for search engines."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from xml.sax.saxutils import escape

from channels.portal.model.site import (
    CAMPAIGNS_FOLDER,
    Site,
    listing_path,
    month_path,
    sitemap_path,
)
from channels.portal.render.xml import format_rfc3339

_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_FIXED_PATHS = ("/", "/muc/", "/nguon-tin/", "/kenh/", "/gioi-thieu/")


def items_sitemap(items: Iterable[tuple[str, datetime]], site: Site) -> bytes:
    """The sitemap of one month's items, with the times of their last changes."""
    parts = (_element("url", site.item_url(content_id), at) for content_id, at in items)
    return _document("urlset", parts)


def listings_sitemap(months: Mapping[str, Sequence[str]], site: Site) -> bytes:
    paths = [*_FIXED_PATHS]
    if any(site.slug_kind(slug) == "campaign" for slug in months):
        paths.append(f"/{CAMPAIGNS_FOLDER}/")
    for slug, slug_months in months.items():
        paths += [listing_path(slug), *(month_path(slug, month) for month in slug_months)]
    return _document("urlset", (_element("url", site.url(path)) for path in paths))


def sitemap_index(months: Sequence[str], site: Site) -> bytes:
    paths = ("/so-do/trang.xml", *map(sitemap_path, months))
    return _document("sitemapindex", (_element("sitemap", site.url(path)) for path in paths))


def robots_txt(site: Site) -> bytes:
    return f"User-agent: *\nAllow: /\n\nSitemap: {site.url('/sitemap.xml')}\n".encode()


def _element(name: str, url: str, updated: datetime | None = None) -> str:
    """One entry, as text instead of an XML tree because a month has many."""
    changed = f"<lastmod>{format_rfc3339(updated)}</lastmod>" if updated else ""
    return f"<{name}><loc>{escape(url)}</loc>{changed}</{name}>\n"


def _document(root: str, parts: Iterable[str]) -> bytes:
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<{root} xmlns="{_NAMESPACE}">\n'
    return f"{head}{''.join(parts)}</{root}>\n".encode()
