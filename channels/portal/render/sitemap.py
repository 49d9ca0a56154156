"""Sitemaps (sitemaps.org) and robots.txt for search engines.

A month's items have site maps of 1,999 entries at most, and the listings one of _ENTRIES_MAX.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from xml.sax.saxutils import escape

from channels.portal.model.site import (
    CAMPAIGNS_FOLDER,
    Site,
    listing_path,
    month_path,
)
from channels.portal.render.xml import format_rfc3339

_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_ENTRIES_MAX = 50_000
"""More are no sitemap (sitemaps.org): the oldest months of listings are left out."""
_FIXED_PATHS = ("/", "/muc/", "/nguon-tin/", "/kenh/", "/gioi-thieu/")


def items_sitemap(items: Iterable[tuple[str, datetime]], site: Site) -> bytes:
    """The sitemap of a month's items, or of some of them, with the times of their last changes."""
    parts = (_element("url", site.item_url(content_id), at) for content_id, at in items)
    return _document("urlset", parts)


def listings_sitemap(months: Mapping[str, Sequence[str]], site: Site) -> bytes:
    paths = [*_FIXED_PATHS]
    if any(site.slug_kind(slug) == "campaign" for slug in months):
        paths.append(f"/{CAMPAIGNS_FOLDER}/")
    by_age = sorted(((month, slug) for slug in months for month in months[slug]), reverse=True)
    named = set(by_age[: _ENTRIES_MAX - len(paths) - len(months)])
    for slug, slug_months in months.items():
        paths.append(listing_path(slug))
        paths += (month_path(slug, month) for month in slug_months if (month, slug) in named)
    return _document("urlset", (_element("url", site.url(path)) for path in paths))


def sitemap_index(maps: Sequence[str], site: Site) -> bytes:
    """The index of all sitemaps; *maps*: the paths of those of items."""
    paths = ("/so-do/trang.xml", *(f"/{path}" for path in maps))
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
