"""Parse a feed document: RSS 0.9x to 2.0, RDF, Atom; find the feeds that a web page names.

NotAFeed explains, in both languages, why a document is refused.
"""

import codecs
import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import feedparser

from contracts.errors import printable
from producers.imports.errors import NotAFeed, UnexpectedError
from producers.imports.isolate_errors import isolate_errors
from producers.imports.parse import html_text
from producers.imports.parse.feed_entry import Entry, UnreadableEntry, drop_shared_names
from producers.imports.parse.feedparser_entry import field_text, parse_entry
from producers.imports.parse.html_text import remove_between, unescape
from producers.imports.parse.size_limits import exceeds_limits
from producers.texts import get_text
from producers.units.canonical_urls import absolute_url, canonical_url

_MAX_ENTRIES_READ = 2000
_MINUTE_S = 60
_MAX_TTL_MIN = 7 * 24 * 60
_DECLARED = re.compile(r"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([-\w.:]{1,40})["']""")
_XML = re.compile(r"^\s*<\?xml[^>]{0,300}\?>")
_ENTITY = re.compile("<!ENTITY", re.IGNORECASE)
_NUMBERED = re.compile("&#0*(?:([0-9]+)|[xX]0*([0-9a-fA-F]+));?")
_SURROGATES = range(0xD800, 0xE000)
_BEGIN = re.compile(r"<(?:(?P<page>!doctype\s+html|html)|(?:\w{1,20}:)?(?:rss|feed|rdf))\b", re.I)
_END = re.compile(r"</(?:\w{1,20}:)?(?:rss|feed|RDF)\s*>")
_HEAD_LENGTH = 20_000
"""The first tag must begin within this many characters."""
_TAIL_LENGTH = 2000
"""The last tag must close within this many characters of the end."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LATIN = {"us-ascii", "ascii", "iso-8859-1", "latin1", "latin-1"}
_ENCODINGS = {"utf-8", "utf-16", "cp1258", "cp1252"}


@dataclass(frozen=True)
class FeedDocument:
    """A parsed feed; `ttl_s` is the time for which it asks not to be read again."""

    title: str
    entries: list[Entry]
    ttl_s: float = 0.0
    unreadable: tuple[UnreadableEntry, ...] = ()
    """Entries that cannot be parsed."""


def parse_feed(body: bytes, url: str, charset: str, now: datetime) -> FeedDocument:
    """Parse the feed in *body*, found at *url*. Raises NotAFeed.

    Fetches nothing and expands no entity; the cost is linear in the length of *body*.
    """
    written = _join_surrogates(_decode_text(body, charset))
    if other := _detect_other_format(written):
        error = get_text("import", other).as_field_error("feed")
        raise NotAFeed(error, feeds=_find_feeds(body, url))
    if fault := _refusal_code(written):
        raise _not_a_feed_error(fault)
    parsed = _run_parser(written)
    if not parsed.version:
        raise _not_a_feed_error("no_feed")
    entries, unreadable = _parse_entries(parsed.entries[:_MAX_ENTRIES_READ], url, now)
    title = html_text.shorten(html_text.line_of(field_text(parsed.feed, "title")), 150)
    return FeedDocument(
        title, drop_shared_names(entries), ttl_s(field_text(parsed.feed, "ttl")), tuple(unreadable)
    )


def _parse_entries(
    raw_entries: Sequence[Any], url: str, now: datetime
) -> tuple[list[Entry], list[UnreadableEntry]]:
    """The parsed entries and the unreadable ones; an unreadable entry never stops the others."""
    entries, unreadable = [], []
    for raw in raw_entries:
        try:
            with isolate_errors():
                entries.append(parse_entry(raw, url, now))
        except UnexpectedError as trouble:
            title, link = field_text(raw, "title"), field_text(raw, "link")
            unreadable.append(UnreadableEntry(trouble.kind, title, link))
    return entries, unreadable


def _detect_other_format(written: str) -> str:
    """The text name of another format, if the document does not begin like a feed; else empty."""
    begun = _BEGIN.search(html_text.remove_between(written[:_HEAD_LENGTH], "<!--", "-->"))
    if begun:
        return "web_page" if begun["page"] else ""
    content = written.strip()
    if not content:
        return "empty"
    if content[0] in "{[":
        return "json_feed" if "jsonfeed.org" in content[:_HEAD_LENGTH] else "json"
    return "no_feed"


def _refusal_code(written: str) -> str:
    """The text name of the reason for refusing a feed; empty if there is none."""
    if _ENTITY.search(written):
        return "entities"
    if not _END.search(written[-_TAIL_LENGTH:]):
        return "cut_short"
    return "misshapen" if exceeds_limits(written) else ""


def _run_parser(written: str) -> Any:
    """Run feedparser on a stream (it would open a text as an address).

    The base address is withheld, because feedparser would turn guids into addresses. Raises
    NotAFeed if the parser fails.
    """
    headers = {"content-type": "application/xml; charset=utf-8"}
    try:
        with isolate_errors():
            return feedparser.parse(
                io.BytesIO(_XML.sub("", written).encode("utf-8", "replace")),
                response_headers=headers,
                sanitize_html=False,  # the result is plain text anyway
                resolve_relative_uris=False,
            )
    except UnexpectedError as trouble:
        raise _not_a_feed_error("unparsed", error=trouble.kind) from trouble


def _join_surrogates(written: str) -> str:
    """Join surrogate halves written as two references; replace those without a partner.

    Some sites write emoji like that, and feedparser fails on them.
    """
    halves = _NUMBERED.sub(_replace_reference, written)
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _replace_reference(match: re.Match[str]) -> str:
    """Replace a reference to a surrogate; drop leading zeros of others, which cost time."""
    code = int(match[1][:9]) if match[1] else int(match[2][:9], 16)
    if code > sys.maxunicode:
        return html_text.REPLACEMENT
    return chr(code) if code in _SURROGATES else f"&#{code};"


def _decode_text(body: bytes, charset: str) -> str:
    """Decode *body*. Raises NotAFeed for an unknown encoding or invalid bytes."""
    encoding = _detect_encoding(body, charset)
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):  # ValueError: an impossible name
        raise _not_a_feed_error("encoding_unknown", value=printable(encoding)) from None
    if name.replace("utf-8-sig", "utf-8") not in _ENCODINGS:
        raise _not_a_feed_error("encoding_unknown", value=printable(encoding))
    try:
        return body.decode(name)
    except UnicodeDecodeError as wrong:
        raise _not_a_feed_error("encoding_wrong", value=encoding, position=wrong.start) from None


def _detect_encoding(body: bytes, charset: str) -> str:
    """The encoding: by byte order mark, then XML declaration, then HTTP header."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return name
    match = _DECLARED.match(body[:400].decode("latin-1"))
    encoding = (match[1] if match else charset or "utf-8").lower()
    if encoding in _LATIN:  # the label is often wrong
        return "utf-8" if _is_utf8(body) else "cp1252"
    return encoding


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def ttl_s(minutes: str) -> float:
    """RSS's ttl in seconds; at most a week."""
    return min(int(minutes[:9]), _MAX_TTL_MIN) * _MINUTE_S if minutes.strip().isdecimal() else 0.0


def _not_a_feed_error(code: str, **values: object) -> NotAFeed:
    return NotAFeed(get_text("import", code, **values).as_field_error("feed"))


_MAX_FEEDS = 20
_LINK = re.compile(r"<link\s([^<>]{1,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""([a-z]{1,20})\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.I
)
_KINDS = ("application/rss+xml", "application/atom+xml")


def _find_feeds(body: bytes, url: str) -> list[str]:
    """The feeds that the page *body* at *url* links to; invalid addresses are left out."""
    page = remove_between(body.decode("utf-8", "replace"), "<!--", "-->")
    full = (absolute_url(link, url) for link in _feed_links(page))
    return list(dict.fromkeys(link for link in full if canonical_url(link)))[:_MAX_FEEDS]


def _feed_links(page: str) -> Iterator[str]:
    for link in _LINK.finditer(page):
        attributes = {
            attribute[0].lower(): unescape("".join(attribute[1:]))
            for attribute in _ATTRIBUTE.findall(link[1])
        }
        kind = attributes.get("type", "").partition(";")[0].strip().lower()
        if "alternate" in attributes.get("rel", "").lower().split() and kind in _KINDS:
            yield attributes.get("href", "")
