"""The rules of Atom 1.0 (RFC 4287)."""

from collections import Counter
from collections.abc import Iterator

from channels.portal.render.xml import Element, atom_tag, parse_rfc3339
from tests.support.feed_rules.paging import check_paging
from tests.support.feed_rules.text import (
    BrokenRule,
    broken_rule,
    check_html,
    duplicates,
    is_absolute,
)

FEED = atom_tag("feed")
_XHTML_DIV = "{http://www.w3.org/1999/xhtml}div"
_TEXTS = ("title", "subtitle", "summary", "rights")


def check_atom(root: Element, url: str) -> Iterator[BrokenRule]:
    entries = root.findall(atom_tag("entry"))
    for number, element in enumerate([root, *entries]):
        yield from _check_basics(element, number)
        yield from _check_people(element, number)
        yield from _check_texts(element, number)
    yield from _check_self(root, url)
    yield from check_paging(root)
    if root.find(atom_tag("author")) is None and any(
        e.find(atom_tag("author")) is None for e in entries
    ):
        yield broken_rule("atom-author", "neither the feed nor every entry has an author")
    for number, entry in enumerate(entries, 1):
        yield from _check_content(entry, number)
        yield from _check_alternates(entry, number)
    for version in duplicates(_version(entry) for entry in entries):
        yield broken_rule("atom-versions-differ", f"the same id and time twice: {version}")


def _version(entry: Element) -> str:
    return f"{entry.findtext(atom_tag('id'))} {entry.findtext(atom_tag('updated'))}"


def _check_basics(element: Element, number: int) -> Iterator[BrokenRule]:
    for name in ("id", "title", "updated"):
        if len(element.findall(atom_tag(name))) != 1:
            yield broken_rule(
                "atom-exactly-one", f"{len(element.findall(atom_tag(name)))} {name}", number
            )
    if not is_absolute(element.findtext(atom_tag("id"))):
        yield broken_rule("atom-id-absolute", "the id is no absolute IRI", number)
    updated = parse_rfc3339(element.findtext(atom_tag("updated")))
    published = parse_rfc3339(element.findtext(atom_tag("published")))
    if updated is None or (element.find(atom_tag("published")) is not None and published is None):
        yield broken_rule("rfc3339", "a time that is not RFC 3339", number)
    elif published and published > updated:
        yield broken_rule("published-before-updated", "published lies after updated", number)


def _check_people(element: Element, number: int) -> Iterator[BrokenRule]:
    people = [*element.findall(atom_tag("author")), *element.findall(atom_tag("contributor"))]
    for counts in (Counter(str(part.tag) for part in person) for person in people):
        if counts[atom_tag("name")] != 1:
            yield broken_rule("atom-person-name", "a person needs exactly one name", number)
        if counts[atom_tag("email")] > 1 or counts[atom_tag("uri")] > 1:
            yield broken_rule("atom-person-once", "a person has two addresses", number)


def _check_texts(element: Element, number: int) -> Iterator[BrokenRule]:
    for text in (found for name in _TEXTS for found in element.findall(atom_tag(name))):
        kind = text.get("type", "text")
        if kind not in ("text", "html", "xhtml"):
            yield broken_rule("atom-text-type", f"type {kind!r}", number)
        elif kind == "html":
            yield from check_html(text.text or "", number)
        elif kind == "xhtml" and [child.tag for child in text] != [_XHTML_DIV]:
            yield broken_rule("atom-xhtml-div", "xhtml must be a single div", number)


def _check_self(root: Element, url: str) -> Iterator[BrokenRule]:
    links = [link for link in root.findall(atom_tag("link")) if link.get("rel") == "self"]
    if len(links) != 1:
        yield broken_rule("one-self-link", f"{len(links)} links with rel=self")
    elif links[0].get("href") != url:
        yield broken_rule("self-is-where-served", f"{links[0].get('href')} is served at {url}")


def _check_content(entry: Element, number: int) -> Iterator[BrokenRule]:
    contents = entry.findall(atom_tag("content"))
    if len(contents) > 1:
        yield broken_rule("atom-one-content", f"{len(contents)} contents", number)
    for content in contents:
        if content.get("src") and (content.text or len(content)):
            yield broken_rule("atom-content-src", "content with src must be empty", number)
        if content.get("src") and entry.find(atom_tag("summary")) is None:
            yield broken_rule("atom-summary-required", "content with src needs a summary", number)
        if content.get("type") == "html":
            yield from check_html(content.text or "", number)


def _check_alternates(entry: Element, number: int) -> Iterator[BrokenRule]:
    links = [e for e in entry.findall(atom_tag("link")) if e.get("rel", "alternate") == "alternate"]
    if not links and entry.find(atom_tag("content")) is None:
        yield broken_rule("atom-content-or-link", "neither content nor a link to it", number)
    for pair in duplicates(f"{link.get('type')} {link.get('hreflang')}" for link in links):
        yield broken_rule("atom-one-alternate", f"two alternates of one kind: {pair}", number)
