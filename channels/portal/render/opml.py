"""The list of all feeds as OPML 2.0, which feed readers import."""

from collections.abc import Sequence

from lxml import etree

from channels.portal.model.site import ALL_SLUG, Site, feed_path, listing_path
from channels.portal.model.texts import catalog_text
from channels.portal.render.xml import Element, add_child, serialize

_FEED_FORMAT = "atom"
"""The format named in the list: Atom alone carries changes, and all readers know it."""


def render_opml(slugs: Sequence[str], site: Site) -> bytes:
    root = etree.Element("opml", version="2.0")
    head = add_child(root, "head")
    add_child(head, "title", catalog_text("opml", "title", site=catalog_text("site", "name")))
    add_child(head, "ownerName", catalog_text("site", "owner"))
    add_child(head, "ownerId", site.url("/"))
    body = add_child(root, "body")
    _outline(body, ALL_SLUG, site)
    for kind in ("topic", "unit", "audience", "other"):
        group = [slug for slug in slugs if site.slug_kind(slug) == kind]
        if group:
            folder = add_child(body, "outline")
            folder.set("text", catalog_text("opml", kind))
            for slug in group:
                _outline(folder, slug, site)
    return serialize(root)


def _outline(parent: Element, slug: str, site: Site) -> None:
    outline = add_child(parent, "outline", type="rss")
    outline.set("text", site.slug_name(slug))
    outline.set("title", site.slug_name(slug))
    outline.set("description", site.slug_description(slug))
    outline.set("xmlUrl", site.url(feed_path(slug, _FEED_FORMAT)))
    outline.set("htmlUrl", site.url("/" if slug == ALL_SLUG else listing_path(slug)))
