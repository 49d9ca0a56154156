"""The list of all feeds as OPML 2.0, which feed readers import."""

from collections.abc import Mapping, Sequence

from channels.portal.model.site import ALL_SLUG, Site, feed_path, listing_path
from channels.portal.model.texts import catalog_text
from channels.portal.render.xml import Xml, document, element

_FEED_FORMAT = "atom"
"""The format named in the list: Atom alone carries changes, and all readers know it."""


def render_opml(
    slugs: Sequence[str], site: Site, campaigns: Mapping[str, str] | None = None
) -> bytes:
    """*campaigns*: the titles of campaigns by their slugs."""
    names = campaigns or {}
    head = element(
        "head",
        element("title", catalog_text("opml", "title", site=catalog_text("site", "name"))),
        element("ownerName", catalog_text("site", "owner")),
        element("ownerId", site.url("/")),
    )
    outlines = [_outline(ALL_SLUG, site)]
    for kind in ("topic", "unit", "audience", "campaign", "other"):
        group = [
            _outline(slug, site, names.get(slug, ""))
            for slug in slugs
            if site.slug_kind(slug) == kind
        ]
        if group:
            outlines.append(element("outline", *group, text=catalog_text("opml", kind)))
    return document(element("opml", head, element("body", *outlines), version="2.0"))


def _outline(slug: str, site: Site, campaign: str = "") -> Xml:
    name = campaign or site.slug_name(slug)
    return element(
        "outline",
        type="rss",
        text=name,
        title=name,
        description=site.slug_description(slug, name),
        xmlUrl=site.url(feed_path(slug, _FEED_FORMAT)),
        htmlUrl=site.url("/" if slug == ALL_SLUG else listing_path(slug)),
    )
