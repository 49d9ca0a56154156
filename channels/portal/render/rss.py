"""A feed as RSS 2.0, whole text in `content:encoded`."""

from collections.abc import Iterator
from email.utils import format_datetime
from html import escape

from markupsafe import Markup

from channels.portal.render.feed import Feed, FeedEntry, atom_links
from channels.portal.render.xml import (
    ATOM_NS,
    CONTENT_NS,
    DUBLIN_CORE_NS,
    HISTORY_NS,
    Xml,
    document,
    element,
    format_rfc3339,
)

SEPARATOR = b""
_TTL_MINUTES = "5"
_END = b"</channel></rss>\n"
_NAMESPACES = {"xmlns:atom": ATOM_NS, "xmlns:content": CONTENT_NS, "xmlns:dc": DUBLIN_CORE_NS}


def render_frame(feed: Feed) -> tuple[bytes, bytes]:
    """Render the bytes before and after the items."""
    channel = element(
        "channel",
        element("title", feed.title),
        element("link", feed.home_url),
        element("description", escape(feed.description, quote=False)),
        element("language", "vi"),
        element("lastBuildDate", format_datetime(feed.updated, usegmt=True)),
        element("ttl", _TTL_MINUTES),
        *atom_links(feed, "rss", tag="atom:link"),
    )
    history = {"xmlns:fh": HISTORY_NS} if feed.is_archive else {}
    root = element("rss", channel, **_NAMESPACES, **history, version="2.0")
    return document(root).removesuffix(_END), _END


def render_entry(entry: FeedEntry) -> bytes:
    return element("item", *_content(entry)).encode()


def _content(entry: FeedEntry) -> Iterator[Xml]:
    item, publication = entry.item, entry.item.publication
    yield element("title", item.headline)
    yield element("link", item.url)
    yield element("guid", item.url, isPermaLink="true")
    yield element("pubDate", format_datetime(item.published, usegmt=True))
    yield element("dc:creator", item.unit)
    yield element("category", item.topic)
    # The description is escaped because RSS readers expect HTML.
    short = Markup(entry.html).striptags() if item.withdrawn else item.excerpt  # noqa: S704
    yield element("description", escape(short, quote=False))
    yield element("content:encoded", entry.html)
    # RSS has no element for changes; readers that know Atom's `updated` see a correction.
    yield element("atom:updated", format_rfc3339(item.updated))
    for file in publication.attachments if not item.withdrawn else ():
        if file.media_type and file.size is not None:
            yield element("enclosure", url=file.url, length=str(file.size), type=file.media_type)
            break  # readers accept one enclosure per item; the content links all of them
