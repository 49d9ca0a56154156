"""A feed as Atom 1.0 (RFC 4287)."""

from lxml import etree

from channels.portal.render.feed import Feed, FeedEntry
from channels.portal.render.xml import (
    ATOM_NS,
    HISTORY_NS,
    XML_LANG,
    Element,
    add_child,
    atom_tag,
    format_rfc3339,
    history_tag,
    serialize,
)
from contracts.content import Attachment

SEPARATOR = b""
_END = b"</feed>\n"
_TYPE = "application/atom+xml"


def render_frame(feed: Feed) -> tuple[bytes, bytes]:
    """Render the bytes before and after the entries."""
    names: dict[str | None, str] = {None: ATOM_NS}
    if feed.is_archive:
        names["fh"] = HISTORY_NS
    root = etree.Element(atom_tag("feed"), nsmap=names)
    root.set(XML_LANG, "vi")
    add_child(root, atom_tag("id"), f"{feed.current}.atom")
    add_child(root, atom_tag("title"), feed.title)
    add_child(root, atom_tag("subtitle"), feed.description)
    add_child(root, atom_tag("updated"), format_rfc3339(feed.updated))
    _link(root, "self", _TYPE, feed.url("atom"))
    _link(root, "alternate", "text/html", feed.home_url)
    if feed.hub and not feed.is_archive:
        add_child(root, atom_tag("link"), rel="hub", href=feed.hub)
    for rel, href in feed.paging("atom"):
        _link(root, rel, _TYPE, href)
    if feed.is_archive:
        add_child(root, history_tag("archive"))
    _author(root, feed.publisher)
    return serialize(root).removesuffix(_END), _END


def render_entry(entry: FeedEntry) -> bytes:
    """Render one `entry` element."""
    root = etree.Element(atom_tag("feed"), nsmap={None: ATOM_NS})
    _entry(root, entry)
    written = serialize(root)
    return written[written.index(b"<entry") : -len(_END)]


def _entry(root: Element, entry: FeedEntry) -> None:
    item, publication = entry.item, entry.item.publication
    element = add_child(root, atom_tag("entry"))
    element.set(XML_LANG, publication.language)
    add_child(element, atom_tag("id"), item.url)
    add_child(element, atom_tag("title"), item.headline)
    add_child(element, atom_tag("published"), format_rfc3339(item.published))
    add_child(element, atom_tag("updated"), format_rfc3339(item.updated))
    _link(element, "alternate", "text/html", item.url)
    _author(element, item.unit)
    add_child(element, atom_tag("category"), term=publication.topic, label=item.topic)
    if publication.summary and not item.withdrawn:
        add_child(element, atom_tag("summary"), publication.summary)
    add_child(element, atom_tag("content"), entry.html, type="html")
    for attachment in publication.attachments if not item.withdrawn else ():
        _enclosure(element, attachment)


def _enclosure(element: Element, attachment: Attachment) -> None:
    link = add_child(element, atom_tag("link"), rel="enclosure", href=attachment.url)
    link.set("title", attachment.title)
    if attachment.media_type:
        link.set("type", attachment.media_type)
    if attachment.size is not None:
        link.set("length", str(attachment.size))


def _link(parent: Element, rel: str, media_type: str, href: str) -> None:
    add_child(parent, atom_tag("link"), rel=rel, type=media_type, href=href)


def _author(parent: Element, name: str) -> None:
    add_child(add_child(parent, atom_tag("author")), atom_tag("name"), name)
