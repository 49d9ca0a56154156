"""The rules of RFC 5005: complete, paged and archived feeds are three things, never mixed."""

from collections.abc import Iterator

from channels.portal.render.xml import Element, atom_tag, history_tag
from tests.support.feed_rules.text import BrokenRule, broken_rule, duplicates, is_web_address

_PAGED = {"first", "previous", "next", "last"}
_ARCHIVED = {"prev-archive", "next-archive", "current"}


def check_paging(feed: Element) -> Iterator[BrokenRule]:
    """*feed* is Atom's feed or RSS's channel."""
    links = [(link.get("rel"), link.get("href")) for link in feed.findall(atom_tag("link"))]
    rels = {rel for rel, _ in links}
    complete = feed.find(history_tag("complete")) is not None
    archive = feed.find(history_tag("archive")) is not None
    if complete and rels & (_PAGED | _ARCHIVED):
        yield broken_rule("complete-has-no-pages", "a complete feed with paging links")
    if rels & _PAGED and (archive or rels & _ARCHIVED):
        yield broken_rule("paged-or-archived", "paging and archive links in one feed")
    if archive and "current" not in rels:
        yield broken_rule("archive-names-current", "an archive without a link to the current feed")
    yield from _check_chain([pair for pair in links if pair[0] in _ARCHIVED], links)


def _check_chain(
    chain: list[tuple[str | None, str | None]], links: list[tuple[str | None, str | None]]
) -> Iterator[BrokenRule]:
    """Each link has to lead to another document."""
    for twice in duplicates(str(rel) for rel, _ in chain):
        yield broken_rule("one-way-on", f"two links with rel={twice}")
    itself = dict(links).get("self")
    for rel, href in chain:
        if not is_web_address(href):
            yield broken_rule("absolute-addresses", f"the link with rel={rel} is no web address")
        elif href == itself:
            yield broken_rule("archive-moves-on", f"rel={rel} is this very document")
