"""A feed as Atom 1.0 (RFC 4287)."""

from lxml import etree

from channels.portal.feeds import Entry, Feed
from channels.portal.tree import ATOM, HISTORY, LANGUAGE, Element, child, document, history, instant
from channels.portal.tree import atom as named
from contracts.content import Attachment

BETWEEN = b""
_END = b"</feed>\n"
_TYPE = "application/atom+xml"


def frame(feed: Feed) -> tuple[bytes, bytes]:
    """What stands before and after the entries."""
    names: dict[str | None, str] = {None: ATOM}
    if feed.is_archive:
        names["fh"] = HISTORY
    root = etree.Element(named("feed"), nsmap=names)
    root.set(LANGUAGE, "vi")
    child(root, named("id"), f"{feed.current}.atom")
    child(root, named("title"), feed.title)
    child(root, named("subtitle"), feed.description)
    child(root, named("updated"), instant(feed.updated))
    _link(root, "self", _TYPE, feed.url("atom"))
    _link(root, "alternate", "text/html", feed.home_url)
    if feed.hub and not feed.is_archive:
        child(root, named("link"), rel="hub", href=feed.hub)
    for rel, href in feed.paging("atom"):
        _link(root, rel, _TYPE, href)
    if feed.is_archive:
        child(root, history("archive"))
    _author(root, feed.publisher)
    return document(root).removesuffix(_END), _END


def entry(entry: Entry) -> bytes:
    root = etree.Element(named("feed"), nsmap={None: ATOM})
    _entry(root, entry)
    written = document(root)
    return written[written.index(b"<entry") : -len(_END)]


def _entry(root: Element, entry: Entry) -> None:
    item, publication = entry.item, entry.item.publication
    element = child(root, named("entry"))
    element.set(LANGUAGE, publication.language)
    child(element, named("id"), item.url)
    child(element, named("title"), item.headline)
    child(element, named("published"), instant(item.published))
    child(element, named("updated"), instant(item.updated))
    _link(element, "alternate", "text/html", item.url)
    _author(element, item.unit)
    child(element, named("category"), term=publication.topic, label=item.topic)
    if publication.summary and not item.withdrawn:
        child(element, named("summary"), publication.summary)
    child(element, named("content"), entry.html, type="html")
    for attachment in publication.attachments if not item.withdrawn else ():
        _enclosure(element, attachment)


def _enclosure(element: Element, attachment: Attachment) -> None:
    link = child(element, named("link"), rel="enclosure", href=attachment.url)
    link.set("title", attachment.title)
    if attachment.media_type:
        link.set("type", attachment.media_type)
    if attachment.size is not None:
        link.set("length", str(attachment.size))


def _link(parent: Element, rel: str, media_type: str, href: str) -> None:
    child(parent, named("link"), rel=rel, type=media_type, href=href)


def _author(parent: Element, name: str) -> None:
    child(child(parent, named("author")), named("name"), name)
