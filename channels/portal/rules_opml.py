"""The rules of OPML 2.0 for a list of feeds."""

from collections.abc import Iterator

from channels.portal.rules_of_text import Broken, broken, is_web_address, repeated
from channels.portal.tree import Element


def check(root: Element, url: str) -> Iterator[Broken]:
    """*url* is where the list is served; it says nothing of itself."""
    if root.get("version") != "2.0":
        yield broken("opml-version", f"version is {root.get('version')!r}, not 2.0")
    if len(root.findall("head")) != 1 or len(root.findall("body")) != 1:
        yield broken("opml-head-and-body", "needs one head and one body")
    outlines = list(root.iter("outline"))
    if not outlines:
        yield broken("opml-has-outlines", "the list is empty")
    for number, outline in enumerate(outlines, 1):
        yield from _check_outline(outline, number)
    feeds = [outline.get("xmlUrl") or "" for outline in outlines if outline.get("type") == "rss"]
    for address in repeated(feeds):
        yield broken("opml-feed-once", f"{address} stands twice")
    if url in feeds:
        yield broken("opml-names-feeds", "the list names itself as a feed")


def _check_outline(outline: Element, number: int) -> Iterator[Broken]:
    if not (outline.get("text") or "").strip():
        yield broken("opml-text", "an outline without text", number)
    if outline.get("type") == "rss" and not is_web_address(outline.get("xmlUrl")):
        yield broken("opml-feed-address", "a feed without a web address", number)
    if outline.get("htmlUrl") is not None and not is_web_address(outline.get("htmlUrl")):
        yield broken("opml-page-address", "htmlUrl is no web address", number)
