"""What a feed must be: the rules of RSS 2.0, Atom, JSON Feed, RFC 5005 and OPML that it can break.

`check(data, url)` looks at the bytes as they are served at *url* and says every rule they break.
"""

import re
from collections.abc import Callable, Iterator

from lxml import etree

from channels.portal import rules_atom, rules_json, rules_opml, rules_rss
from channels.portal.rules_of_text import Broken, broken

__all__ = ["Broken", "check"]

_BOM = b"\xef\xbb\xbf"
_TITLE = re.compile(rb"<title>([^<]*)</title>")
_NAMED = re.compile(rb"&(?:amp|lt);")


def check(data: bytes, url: str) -> list[Broken]:
    """Every rule that *data* breaks; empty = clean. The first bytes tell the kind of feed."""
    return list(_check(data, url))


def _check(data: bytes, url: str) -> Iterator[Broken]:
    if data.startswith(_BOM):
        yield broken("no-byte-order-mark", "the document begins with a byte order mark")
    try:
        data.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        yield broken("utf-8", f"not UTF-8 at byte {error.start}")
        return
    if data.removeprefix(_BOM).lstrip().startswith(b"{"):
        yield from rules_json.check(data.removeprefix(_BOM), url)
    else:
        yield from _check_xml(data, url)


def _check_xml(data: bytes, url: str) -> Iterator[Broken]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        yield broken("well-formed", error.msg or "not XML")
        return
    if root.getroottree().docinfo.doctype:
        yield broken("no-doctype", "a document type, which readers refuse or are attacked through")
    judge = _JUDGES.get(str(root.tag))
    if judge is None:
        yield broken("known-format", f"the root element is {root.tag!s}")
        return
    yield from judge(root, url)
    if root.tag == "rss" and any(_NAMED.search(title) for title in _TITLE.findall(data)):
        yield broken("hexadecimal-references", "a title has &amp; or &lt; for &#x26; or &#x3C;")


_JUDGES: dict[str, Callable[[etree._Element, str], Iterator[Broken]]] = {
    "rss": rules_rss.check,
    "opml": rules_opml.check,
    rules_atom.FEED: rules_atom.check,
}
