"""A feed as Atom 1.0 (RFC 4287)."""

from lxml import etree

from channels.portal.render.feed import Feed, FeedEntry
from channels.portal.render.xml import (
    ATOM_NS,
    HISTORY_NS,
    XML_LANG,
    Element,
    add_child,
    format_rfc3339,
    history_tag,
    serialize,
)
from channels.portal.render.xml import atom_tag as named
from contracts.content import Attachment

SEPARATOR = b""
_END = b"</feed>\n"
_TYPE = "application/atom+xml"


def render_frame(feed: Feed) -> tuple[bytes, bytes]:
    """What stands before and after the entries."""
    names: dict[str | None, str] = {None: ATOM_NS}
    if feed.is_archive:
        names["fh"] = HISTORY_NS
    root = etree.Element(named("feed"), nsmap=names)
    root.set(XML_LANG, "vi")
    add_child(root, named("id"), f"{feed.current}.atom")
    add_child(root, named("title"), feed.title)
    add_child(root, named("subtitle"), feed.description)
    add_child(root, named("updated"), format_rfc3339(feed.updated))
    _link(root, "self", _TYPE, feed.url("atom"))
    _link(root, "alternate", "text/html", feed.home_url)
    if feed.hub and not feed.is_archive:
        add_child(root, named("link"), rel="hub", href=feed.hub)
    for rel, href in feed.paging("atom"):
        _link(root, rel, _TYPE, href)
    if feed.is_archive:
        add_child(root, history_tag("archive"))
    _author(root, feed.publisher)
    return serialize(root).removesuffix(_END), _END


def render_entry(entry: FeedEntry) -> bytes:
    root = etree.Element(named("feed"), nsmap={None: ATOM_NS})
    _entry(root, entry)
    written = serialize(root)
    return written[written.index(b"<entry") : -len(_END)]


def _entry(root: Element, entry: FeedEntry) -> None:
    item, publication = entry.item, entry.item.publication
    element = add_child(root, named("entry"))
    element.set(XML_LANG, publication.language)
    add_child(element, named("id"), item.url)
    add_child(element, named("title"), item.headline)
    add_child(element, named("published"), format_rfc3339(item.published))
    add_child(element, named("updated"), format_rfc3339(item.updated))
    _link(element, "alternate", "text/html", item.url)
    _author(element, item.unit)
    add_child(element, named("category"), term=publication.topic, label=item.topic)
    if publication.summary and not item.withdrawn:
        add_child(element, named("summary"), publication.summary)
    add_child(element, named("content"), entry.html, type="html")
    for attachment in publication.attachments if not item.withdrawn else ():
        _enclosure(element, attachment)


def _enclosure(element: Element, attachment: Attachment) -> None:
    link = add_child(element, named("link"), rel="enclosure", href=attachment.url)
    link.set("title", attachment.title)
    if attachment.media_type:
        link.set("type", attachment.media_type)
    if attachment.size is not None:
        link.set("length", str(attachment.size))


def _link(parent: Element, rel: str, media_type: str, href: str) -> None:
    add_child(parent, named("link"), rel=rel, type=media_type, href=href)


def _author(parent: Element, name: str) -> None:
    add_child(add_child(parent, named("author")), named("name"), name)
