"""Every feed in one list that feed readers import: OPML 2.0."""

from collections.abc import Sequence

from lxml import etree

from channels.portal.site import ALL, Site, feed_path, shelf_path
from channels.portal.texts import say
from channels.portal.tree import Element, child, document

KIND = "atom"
"""The format that the list names: it alone says what changed, and readers all know it."""


def write(slugs: Sequence[str], site: Site) -> bytes:
    root = etree.Element("opml", version="2.0")
    head = child(root, "head")
    child(head, "title", say("opml", "title", site=say("site", "name")))
    child(head, "ownerName", say("site", "owner"))
    child(head, "ownerId", site.url("/"))
    body = child(root, "body")
    _outline(body, ALL, site)
    for kind in ("topic", "unit", "audience", "other"):
        group = [slug for slug in slugs if site.slug_kind(slug) == kind]
        if group:
            folder = child(body, "outline")
            folder.set("text", say("opml", kind))
            for slug in group:
                _outline(folder, slug, site)
    return document(root)


def _outline(parent: Element, slug: str, site: Site) -> None:
    outline = child(parent, "outline", type="rss")
    outline.set("text", site.slug_name(slug))
    outline.set("title", site.slug_name(slug))
    outline.set("description", site.slug_description(slug))
    outline.set("xmlUrl", site.url(feed_path(slug, KIND)))
    outline.set("htmlUrl", site.url("/" if slug == ALL else shelf_path(slug)))
