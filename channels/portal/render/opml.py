"""The list of all feeds as OPML 2.0, which feed readers import."""

from collections.abc import Sequence

from channels.portal.model.site import ALL_SLUG, Site, feed_path, listing_path
from channels.portal.model.texts import catalog_text
from channels.portal.render.xml import Xml, document, element

_FEED_FORMAT = "atom"
"""The format named in the list: Atom alone carries changes, and all readers know it."""


def render_opml(slugs: Sequence[str], site: Site) -> bytes:
    head = element(
        "head",
        element("title", catalog_text("opml", "title", site=catalog_text("site", "name"))),
        element("ownerName", catalog_text("site", "owner")),
        element("ownerId", site.url("/")),
    )
    outlines = [_outline(ALL_SLUG, site)]
    for kind in ("topic", "unit", "audience", "other"):
        group = [_outline(slug, site) for slug in slugs if site.slug_kind(slug) == kind]
        if group:
            outlines.append(element("outline", *group, text=catalog_text("opml", kind)))
    return document(element("opml", head, element("body", *outlines), version="2.0"))


def _outline(slug: str, site: Site) -> Xml:
    return element(
        "outline",
        type="rss",
        text=site.slug_name(slug),
        title=site.slug_name(slug),
        description=site.slug_description(slug),
        xmlUrl=site.url(feed_path(slug, _FEED_FORMAT)),
        htmlUrl=site.url("/" if slug == ALL_SLUG else listing_path(slug)),
    )
