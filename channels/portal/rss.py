"""A feed as RSS 2.0, whole text in `content:encoded`."""

from email.utils import format_datetime
from html import escape

from lxml import etree
from markupsafe import Markup

from channels.portal.feeds import Entry, Feed
from channels.portal.tree import (
    ATOM,
    CONTENT,
    DUBLIN_CORE,
    HISTORY,
    Element,
    atom,
    child,
    document,
    history,
    instant,
)

BETWEEN = b""
TTL_MINUTES = "5"
_END = b"</channel></rss>\n"
_TYPE = "application/rss+xml"
_NAMESPACES = {"atom": ATOM, "content": CONTENT, "dc": DUBLIN_CORE}


def frame(feed: Feed) -> tuple[bytes, bytes]:
    """What stands before and after the items."""
    extra = {"fh": HISTORY} if feed.is_archive else {}
    root = etree.Element("rss", version="2.0", nsmap=_NAMESPACES | extra)
    channel = child(root, "channel")
    child(channel, "title", feed.title)
    child(channel, "link", feed.home_url)
    child(channel, "description", escape(feed.description, quote=False))
    child(channel, "language", "vi")
    child(channel, "lastBuildDate", format_datetime(feed.updated, usegmt=True))
    child(channel, "ttl", TTL_MINUTES)
    child(channel, atom("link"), rel="self", type=_TYPE, href=feed.url("rss"))
    if feed.hub and not feed.is_archive:
        child(channel, atom("link"), rel="hub", href=feed.hub)
    for rel, href in feed.paging("rss"):
        child(channel, atom("link"), rel=rel, type=_TYPE, href=href)
    if feed.is_archive:
        child(channel, history("archive"))
    return document(root).removesuffix(_END), _END


def entry(entry: Entry) -> bytes:
    root = etree.Element("rss", version="2.0", nsmap=_NAMESPACES)
    _item(child(root, "channel"), entry)
    written = document(root)
    return written[written.index(b"<item>") : -len(_END)]


def _item(channel: Element, entry: Entry) -> None:
    item, publication = entry.item, entry.item.publication
    element = child(channel, "item")
    child(element, "title", item.headline)
    child(element, "link", item.url)
    child(element, "guid", item.url, isPermaLink="true")
    child(element, "pubDate", format_datetime(item.published, usegmt=True))
    child(element, f"{{{DUBLIN_CORE}}}creator", item.unit)
    child(element, "category", item.topic)
    _words(element, entry)
    # RSS itself can't say "changed since"; readers that know Atom's element see a correction.
    child(element, atom("updated"), instant(item.updated))
    for attachment in publication.attachments if not item.withdrawn else ():
        if attachment.media_type and attachment.size is not None:
            facts = {"length": str(attachment.size), "type": attachment.media_type}
            child(element, "enclosure", None, url=attachment.url, **facts)
            break  # readers take one enclosure per item; the text names all of them


def _words(element: Element, entry: Entry) -> None:
    """The description is plain words, written as HTML, which RSS readers take it for."""
    item = entry.item
    short = Markup(entry.html).striptags() if item.withdrawn else item.excerpt  # noqa: S704
    child(element, "description", escape(short, quote=False))
    child(element, f"{{{CONTENT}}}encoded", entry.html)
