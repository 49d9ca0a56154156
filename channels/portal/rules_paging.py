"""The rules of RFC 5005: complete, paged and archived feeds are three things, never mixed."""

from collections.abc import Iterator

from channels.portal.rules_of_text import Broken, broken
from channels.portal.tree import Element, atom

HISTORY = "http://purl.org/syndication/history/1.0"
_PAGED = {"first", "previous", "next", "last"}
_ARCHIVED = {"prev-archive", "next-archive", "current"}


def check_paging(feed: Element) -> Iterator[Broken]:
    """*feed* is Atom's feed or RSS's channel."""
    rels = {link.get("rel") for link in feed.findall(atom("link"))}
    complete = feed.find(f"{{{HISTORY}}}complete") is not None
    archive = feed.find(f"{{{HISTORY}}}archive") is not None
    if complete and rels & (_PAGED | _ARCHIVED):
        yield broken("complete-has-no-pages", "a complete feed with paging links")
    if rels & _PAGED and (archive or rels & _ARCHIVED):
        yield broken("paged-or-archived", "paging and archive links in one feed")
    if archive and "current" not in rels:
        yield broken("archive-names-current", "an archive without a link to the current feed")
