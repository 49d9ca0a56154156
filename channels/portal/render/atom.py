"""A feed as Atom 1.0 (RFC 4287)."""

from collections.abc import Iterator

from channels.portal.render.feed import Feed, FeedEntry, atom_links
from channels.portal.render.xml import HISTORY_NS, Xml, atom_feed, document, element, format_rfc3339
from contracts.content import Attachment

SEPARATOR = b""
_END = b"</feed>\n"


def render_frame(feed: Feed) -> tuple[bytes, bytes]:
    """Render the bytes before and after the entries."""
    root = atom_feed(
        element("id", f"{feed.current}.atom"),
        element("title", feed.title),
        element("subtitle", feed.description),
        element("updated", format_rfc3339(feed.updated)),
        *atom_links(feed, "atom", alternate=feed.home_url),
        _author(feed.publisher),
        **{"xmlns:fh": HISTORY_NS} if feed.is_archive else {},
    )
    return document(root).removesuffix(_END), _END


def render_entry(entry: FeedEntry) -> bytes:
    language = {"xml:lang": entry.item.publication.language}
    return element("entry", *_content(entry), **language).encode()


def _content(entry: FeedEntry) -> Iterator[Xml]:
    item, publication = entry.item, entry.item.publication
    yield element("id", item.url)
    yield element("title", item.headline)
    yield element("published", format_rfc3339(item.published))
    yield element("updated", format_rfc3339(item.updated))
    yield element("link", rel="alternate", type="text/html", href=item.url)
    yield _author(item.unit)
    yield element("category", term=publication.topic, label=item.topic)
    if publication.summary and not item.withdrawn:
        yield element("summary", publication.summary)
    yield element("content", entry.html, type="html")
    if not item.withdrawn:
        yield from map(_enclosure, publication.attachments)


def _enclosure(file: Attachment) -> Xml:
    facts = {"type": file.media_type} if file.media_type else {}
    facts |= {} if file.size is None else {"length": str(file.size)}
    return element("link", rel="enclosure", href=file.url, title=file.title, **facts)


def _author(name: str) -> Xml:
    return element("author", element("name", name))
