"""The rules of Atom 1.0 (RFC 4287)."""

from collections import Counter
from collections.abc import Iterator

from channels.portal.rules_of_text import (
    Broken,
    broken,
    check_html,
    is_absolute,
    repeated,
    rfc3339,
)
from channels.portal.rules_paging import check_paging
from channels.portal.tree import Element, atom

FEED = atom("feed")
_XHTML_DIV = "{http://www.w3.org/1999/xhtml}div"
_TEXTS = ("title", "subtitle", "summary", "rights")


def check(root: Element, url: str) -> Iterator[Broken]:
    entries = root.findall(atom("entry"))
    for number, element in enumerate([root, *entries]):
        yield from _check_basics(element, number)
        yield from _check_people(element, number)
        yield from _check_texts(element, number)
    yield from _check_self(root, url)
    yield from check_paging(root)
    if root.find(atom("author")) is None and any(e.find(atom("author")) is None for e in entries):
        yield broken("atom-author", "neither the feed nor every entry has an author")
    for number, entry in enumerate(entries, 1):
        yield from _check_content(entry, number)
        yield from _check_alternates(entry, number)
    for version in repeated(_version(entry) for entry in entries):
        yield broken("atom-versions-differ", f"the same id and time twice: {version}")


def _version(entry: Element) -> str:
    return f"{entry.findtext(atom('id'))} {entry.findtext(atom('updated'))}"


def _check_basics(element: Element, number: int) -> Iterator[Broken]:
    for name in ("id", "title", "updated"):
        if len(element.findall(atom(name))) != 1:
            yield broken("atom-exactly-one", f"{len(element.findall(atom(name)))} {name}", number)
    if not is_absolute(element.findtext(atom("id"))):
        yield broken("atom-id-absolute", "the id is no absolute IRI", number)
    updated = rfc3339(element.findtext(atom("updated")))
    published = rfc3339(element.findtext(atom("published")))
    if updated is None or (element.find(atom("published")) is not None and published is None):
        yield broken("rfc3339", "a time that is not RFC 3339", number)
    elif published and published > updated:
        yield broken("published-before-updated", "published lies after updated", number)


def _check_people(element: Element, number: int) -> Iterator[Broken]:
    people = [*element.findall(atom("author")), *element.findall(atom("contributor"))]
    for counts in (Counter(str(part.tag) for part in person) for person in people):
        if counts[atom("name")] != 1:
            yield broken("atom-person-name", "a person needs exactly one name", number)
        if counts[atom("email")] > 1 or counts[atom("uri")] > 1:
            yield broken("atom-person-once", "a person has two addresses", number)


def _check_texts(element: Element, number: int) -> Iterator[Broken]:
    for text in (found for name in _TEXTS for found in element.findall(atom(name))):
        kind = text.get("type", "text")
        if kind not in ("text", "html", "xhtml"):
            yield broken("atom-text-type", f"type {kind!r}", number)
        elif kind == "html":
            yield from check_html(text.text or "", number)
        elif kind == "xhtml" and [child.tag for child in text] != [_XHTML_DIV]:
            yield broken("atom-xhtml-div", "xhtml must be a single div", number)


def _check_self(root: Element, url: str) -> Iterator[Broken]:
    links = [link for link in root.findall(atom("link")) if link.get("rel") == "self"]
    if len(links) != 1:
        yield broken("one-self-link", f"{len(links)} links with rel=self")
    elif links[0].get("href") != url:
        yield broken("self-is-where-served", f"{links[0].get('href')} is served at {url}")


def _check_content(entry: Element, number: int) -> Iterator[Broken]:
    contents = entry.findall(atom("content"))
    if len(contents) > 1:
        yield broken("atom-one-content", f"{len(contents)} contents", number)
    for content in contents:
        if content.get("src") and (content.text or len(content)):
            yield broken("atom-content-src", "content with src must be empty", number)
        if content.get("src") and entry.find(atom("summary")) is None:
            yield broken("atom-summary-required", "content with src needs a summary", number)
        if content.get("type") == "html":
            yield from check_html(content.text or "", number)


def _check_alternates(entry: Element, number: int) -> Iterator[Broken]:
    links = [e for e in entry.findall(atom("link")) if e.get("rel", "alternate") == "alternate"]
    if not links and entry.find(atom("content")) is None:
        yield broken("atom-content-or-link", "neither content nor a link to it", number)
    for pair in repeated(f"{link.get('type')} {link.get('hreflang')}" for link in links):
        yield broken("atom-one-alternate", f"two alternates of one kind: {pair}", number)
