"""A validator of feeds: rules of RSS 2.0, Atom, JSON Feed, RFC 5005 and OPML."""

import re
from collections.abc import Callable, Iterator

from lxml import etree

from tests.support.feed_rules import atom, json_feed, opml, rss
from tests.support.feed_rules.text import BrokenRule, broken_rule

_BOM = b"\xef\xbb\xbf"
_TITLE = re.compile(rb"<title>([^<]*)</title>")
_NAMED_REFERENCE = re.compile(rb"&(?:amp|lt);")


def check_feed(data: bytes, url: str) -> list[BrokenRule]:
    """Every rule that the feed *data*, served at *url*, breaks; its first bytes show the format."""
    return list(_check_feed(data, url))


def _check_feed(data: bytes, url: str) -> Iterator[BrokenRule]:
    if data.startswith(_BOM):
        yield broken_rule("no-byte-order-mark", "the document begins with a byte order mark")
    try:
        data.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        yield broken_rule("utf-8", f"not UTF-8 at byte {error.start}")
        return
    if data.removeprefix(_BOM).lstrip().startswith(b"{"):
        yield from json_feed.check_json_feed(data.removeprefix(_BOM), url)
    else:
        yield from _check_xml(data, url)


def _check_xml(data: bytes, url: str) -> Iterator[BrokenRule]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        yield broken_rule("well-formed", error.msg or "not XML")
        return
    if root.getroottree().docinfo.doctype:
        yield broken_rule(
            "no-doctype", "a document type, which readers refuse or are attacked through"
        )
    judge = _CHECKS.get(str(root.tag))
    if judge is None:
        yield broken_rule("known-format", f"the root element is {root.tag!s}")
        return
    yield from judge(root, url)
    if root.tag == "rss" and any(_NAMED_REFERENCE.search(title) for title in _TITLE.findall(data)):
        yield broken_rule(
            "hexadecimal-references", "a title has &amp; or &lt; for &#x26; or &#x3C;"
        )


_CHECKS: dict[str, Callable[[etree._Element, str], Iterator[BrokenRule]]] = {
    "rss": rss.check_rss,
    "opml": opml.check_opml,
    atom.FEED: atom.check_atom,
}
