"""A feed as Atom 1.0 (RFC 4287)."""

from channels.portal.render.feed import Feed, FeedEntry, add_links
from channels.portal.render.xml import (
    XML_LANG,
    Element,
    add_atom,
    format_rfc3339,
    new_atom_feed,
    serialize,
)

SEPARATOR = b""
_END = b"</feed>\n"


def render_frame(feed: Feed) -> tuple[bytes, bytes]:
    """Render the bytes before and after the entries."""
    root = new_atom_feed(is_archive=feed.is_archive)
    add_atom(root, "id", f"{feed.current}.atom")
    add_atom(root, "title", feed.title)
    add_atom(root, "subtitle", feed.description)
    add_atom(root, "updated", format_rfc3339(feed.updated))
    add_links(root, feed, "atom", alternate=feed.home_url)
    _author(root, feed.publisher)
    return serialize(root).removesuffix(_END), _END


def render_entry(entry: FeedEntry) -> bytes:
    root = new_atom_feed()
    _entry(add_atom(root, "entry"), entry)
    written = serialize(root)
    return written[written.index(b"<entry") : -len(_END)]


def _entry(element: Element, entry: FeedEntry) -> None:
    item, publication = entry.item, entry.item.publication
    element.set(XML_LANG, publication.language)
    add_atom(element, "id", item.url)
    add_atom(element, "title", item.headline)
    add_atom(element, "published", format_rfc3339(item.published))
    add_atom(element, "updated", format_rfc3339(item.updated))
    add_atom(element, "link", rel="alternate", type="text/html", href=item.url)
    _author(element, item.unit)
    add_atom(element, "category", term=publication.topic, label=item.topic)
    if publication.summary and not item.withdrawn:
        add_atom(element, "summary", publication.summary)
    add_atom(element, "content", entry.html, type="html")
    for file in publication.attachments if not item.withdrawn else ():
        link = add_atom(element, "link", rel="enclosure", href=file.url, title=file.title)
        if file.media_type:
            link.set("type", file.media_type)
        if file.size is not None:
            link.set("length", str(file.size))


def _author(parent: Element, name: str) -> None:
    add_atom(add_atom(parent, "author"), "name", name)
