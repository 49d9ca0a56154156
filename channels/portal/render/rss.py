"""A feed as RSS 2.0, whole text in `content:encoded`."""

from email.utils import format_datetime
from html import escape

from lxml import etree
from markupsafe import Markup

from channels.portal.render.feed import Feed, FeedEntry, add_links
from channels.portal.render.xml import (
    ATOM_NS,
    CONTENT_NS,
    DUBLIN_CORE_NS,
    HISTORY_NS,
    Element,
    add_atom,
    add_child,
    format_rfc3339,
    serialize,
)

SEPARATOR = b""
_TTL_MINUTES = "5"
_END = b"</channel></rss>\n"
_NAMESPACES = {"atom": ATOM_NS, "content": CONTENT_NS, "dc": DUBLIN_CORE_NS}


def render_frame(feed: Feed) -> tuple[bytes, bytes]:
    """Render the bytes before and after the items."""
    extra = {"fh": HISTORY_NS} if feed.is_archive else {}
    root = etree.Element("rss", version="2.0", nsmap=_NAMESPACES | extra)
    channel = add_child(root, "channel")
    add_child(channel, "title", feed.title)
    add_child(channel, "link", feed.home_url)
    add_child(channel, "description", escape(feed.description, quote=False))
    add_child(channel, "language", "vi")
    add_child(channel, "lastBuildDate", format_datetime(feed.updated, usegmt=True))
    add_child(channel, "ttl", _TTL_MINUTES)
    add_links(channel, feed, "rss")
    return serialize(root).removesuffix(_END), _END


def render_entry(entry: FeedEntry) -> bytes:
    root = etree.Element("rss", version="2.0", nsmap=_NAMESPACES)
    _item(add_child(add_child(root, "channel"), "item"), entry)
    written = serialize(root)
    return written[written.index(b"<item>") : -len(_END)]


def _item(element: Element, entry: FeedEntry) -> None:
    item, publication = entry.item, entry.item.publication
    add_child(element, "title", item.headline)
    add_child(element, "link", item.url)
    add_child(element, "guid", item.url, isPermaLink="true")
    add_child(element, "pubDate", format_datetime(item.published, usegmt=True))
    add_child(element, f"{{{DUBLIN_CORE_NS}}}creator", item.unit)
    add_child(element, "category", item.topic)
    # The description is escaped because RSS readers expect HTML.
    short = Markup(entry.html).striptags() if item.withdrawn else item.excerpt  # noqa: S704
    add_child(element, "description", escape(short, quote=False))
    add_child(element, f"{{{CONTENT_NS}}}encoded", entry.html)
    # RSS has no element for changes; readers that know Atom's `updated` see a correction.
    add_atom(element, "updated", format_rfc3339(item.updated))
    for file in publication.attachments if not item.withdrawn else ():
        if file.media_type and file.size is not None:
            size = str(file.size)
            add_child(element, "enclosure", url=file.url, length=size, type=file.media_type)
            break  # readers accept one enclosure per item; the content links all of them
