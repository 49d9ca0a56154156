"""Reading what a site calls its feed: RSS 0.9x to 2.0, RDF, Atom, well-formed or nearly so.

NotAFeed says, in both languages, why nothing can be made of it.
"""

import codecs
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import feedparser

from contracts.errors import FieldError, shown
from producers.imports import plain
from producers.imports.article import entry, words
from producers.imports.discovery import feeds_of
from producers.imports.entry import Entry, Odd, trusted
from producers.imports.net import Unforeseen, net
from producers.imports.shape import misshapen
from producers.wording import say

ENTRIES_MAX = 2000
MINUTE_S = 60
TTL_MAX = 7 * 24 * 60

_DECLARED = re.compile(r"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([-\w.:]{1,40})["']""")
_XML = re.compile(r"^\s*<\?xml[^>]{0,300}\?>")
_ENTITY = re.compile("<!ENTITY", re.IGNORECASE)
_NUMBERED = re.compile("&#0*(?:([0-9]+)|[xX]0*([0-9a-fA-F]+));?")
HALVES = range(0xD800, 0xE000)
_BEGIN = re.compile(r"<(?:(?P<page>!doctype\s+html|html)|(?:\w{1,20}:)?(?:rss|feed|rdf))\b", re.I)
_END = re.compile(r"</(?:\w{1,20}:)?(?:rss|feed|RDF)\s*>")
HEAD = 20_000
"""Within so many characters the first tag has to begin."""
TAIL = 2000
"""Within so many characters the last tag has to close; what some servers add behind it is short."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LATIN = {"us-ascii", "ascii", "iso-8859-1", "latin1", "latin-1"}
ENCODINGS = {"utf-8", "utf-16", "cp1258", "cp1252"}


class NotAFeed(Exception):
    """Nothing can be read there. `error` is for the operator; `feeds` are what a page names."""

    def __init__(self, error: FieldError, feeds: Sequence[str] = ()) -> None:
        super().__init__(error.message)
        self.error = error
        self.feeds = tuple(feeds)


@dataclass(frozen=True)
class Document:
    """A feed as it was read; `ttl_s` is how long it asks not to be read again."""

    title: str
    entries: list[Entry]
    ttl_s: float = 0.0
    odd: tuple[Odd, ...] = ()
    """Entries that nobody can understand."""


def read(body: bytes, url: str, charset: str, now: datetime) -> Document:
    """The feed in *body*, which was found at *url*. Raises NotAFeed.

    Nothing is fetched, no entity is expanded; it is bounded by the length of *body*.
    """
    written = mended(decoded(body, charset))
    if other := something_else(written):
        raise NotAFeed(say("import", other).about("feed"), feeds_of(body, url))
    if fault := fault_of(written):
        raise not_a_feed(fault)
    found = parsed(written)
    if not found.version:
        raise not_a_feed("no_feed")
    entries, odd = sorted_out(found.entries[:ENTRIES_MAX], url, now)
    title = plain.short(plain.line_of(words(found.feed, "title")), 150)
    return Document(title, trusted(entries), ttl(words(found.feed, "ttl")), tuple(odd))


def sorted_out(listed: Sequence[Any], url: str, now: datetime) -> tuple[list[Entry], list[Odd]]:
    """The entries in our words, and those that are like no entry: one never stops the others."""
    entries, odd = [], []
    for one in listed:
        try:
            with net():
                entries.append(entry(one, url, now))
        except Unforeseen as trouble:
            odd.append(Odd(trouble.kind, words(one, "title"), words(one, "link")))
    return entries, odd


def something_else(written: str) -> str:
    """What lies there if it does not even begin as a feed does; empty if it does."""
    begun = _BEGIN.search(plain.cut_out(written[:HEAD], "<!--", "-->"))
    if begun:
        return "web_page" if begun["page"] else ""
    said = written.strip()
    if not said:
        return "empty"
    if said[0] in "{[":
        return "json_feed" if "jsonfeed.org" in said[:HEAD] else "json"
    return "no_feed"


def fault_of(written: str) -> str:
    """Why a feed is not parsed; empty where nothing stands against it."""
    if _ENTITY.search(written):
        return "entities"
    if not _END.search(written[-TAIL:]):
        return "cut_short"
    return "misshapen" if misshapen(written) else ""


def parsed(written: str) -> Any:
    """What the parser makes of it; it is given a stream, because it opens a text as an address.

    It is not told where the feed was found: it would make an address of every guid. Raises NotAFeed
    for what it stumbles over.
    """
    said = {"content-type": "application/xml; charset=utf-8"}
    try:
        with net():
            return feedparser.parse(
                io.BytesIO(_XML.sub("", written).encode("utf-8", "replace")),
                response_headers=said,
                sanitize_html=False,  # all of it becomes plain text
                resolve_relative_uris=False,
            )
    except Unforeseen as trouble:
        raise not_a_feed("unparsed", error=trouble.kind) from trouble


def mended(written: str) -> str:
    """Halves of a letter, each written as a number, are made one; what is no letter is told so.

    Some sites write emoji like that, and the parser stumbles over it.
    """
    halves = _NUMBERED.sub(numbered, written)
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def numbered(found: re.Match[str]) -> str:
    """A half as it is, and anything else without the zeros that some number would drown in."""
    code = int(found[1][:9]) if found[1] else int(found[2][:9], 16)
    if code > sys.maxunicode:
        return plain.LOST
    return chr(code) if code in HALVES else f"&#{code};"


def decoded(body: bytes, charset: str) -> str:
    """*body* as text. Raises NotAFeed for an encoding that is not known, or not kept to."""
    named = encoding_of(body, charset)
    try:
        name = codecs.lookup(named).name
    except (LookupError, ValueError):  # ValueError: a name that no encoding could have
        raise not_a_feed("encoding_unknown", value=shown(named)) from None
    if name.replace("utf-8-sig", "utf-8") not in ENCODINGS:
        raise not_a_feed("encoding_unknown", value=shown(named))
    try:
        return body.decode(name)
    except UnicodeDecodeError as wrong:
        raise not_a_feed("encoding_wrong", value=named, position=wrong.start) from None


def encoding_of(body: bytes, charset: str) -> str:
    """What the bytes say they are in: a mark in front, then the document, then its server."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return name
    found = _DECLARED.match(body[:400].decode("latin-1"))
    named = (found[1] if found else charset or "utf-8").lower()
    if named in _LATIN:  # what calls itself so is either that or wrongly labelled
        return "utf-8" if is_utf8(body) else "cp1252"
    return named


def is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def ttl(minutes: str) -> float:
    """RSS's own wish, in seconds; at most a week."""
    return min(int(minutes[:9]), TTL_MAX) * MINUTE_S if minutes.strip().isdecimal() else 0.0


def not_a_feed(code: str, **values: object) -> NotAFeed:
    return NotAFeed(say("import", code, **values).about("feed"))
