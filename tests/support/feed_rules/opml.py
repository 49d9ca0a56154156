"""The rules of OPML 2.0 for a list of feeds."""

from collections.abc import Iterator

from channels.portal.render.xml import Element
from tests.support.feed_rules.text import BrokenRule, broken_rule, duplicates, is_web_address


def check_opml(root: Element, url: str) -> Iterator[BrokenRule]:
    """Check the list served at *url*, which does not name itself."""
    if root.get("version") != "2.0":
        yield broken_rule("opml-version", f"version is {root.get('version')!r}, not 2.0")
    if len(root.findall("head")) != 1 or len(root.findall("body")) != 1:
        yield broken_rule("opml-head-and-body", "needs one head and one body")
    outlines = list(root.iter("outline"))
    if not outlines:
        yield broken_rule("opml-has-outlines", "the list is empty")
    for number, outline in enumerate(outlines, 1):
        yield from _check_outline(outline, number)
    feeds = [outline.get("xmlUrl") or "" for outline in outlines if outline.get("type") == "rss"]
    for address in duplicates(feeds):
        yield broken_rule("opml-feed-once", f"{address} stands twice")
    if url in feeds:
        yield broken_rule("opml-names-feeds", "the list names itself as a feed")


def _check_outline(outline: Element, number: int) -> Iterator[BrokenRule]:
    if not (outline.get("text") or "").strip():
        yield broken_rule("opml-text", "an outline without text", number)
    if outline.get("type") == "rss" and not is_web_address(outline.get("xmlUrl")):
        yield broken_rule("opml-feed-address", "a feed without a web address", number)
    if outline.get("htmlUrl") is not None and not is_web_address(outline.get("htmlUrl")):
        yield broken_rule("opml-page-address", "htmlUrl is no web address", number)
