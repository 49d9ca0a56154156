"""Reading what a site calls its feed: RSS 0.9x to 2.0, RDF, Atom, well-formed or nearly so.

NotAFeed says, in both languages, why nothing can be made of it.
"""

import codecs
import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import unquote, urlsplit

import feedparser
from pydantic_core import PydanticCustomError

from contracts import text
from contracts.content import LINKS_MAX
from contracts.errors import FieldError
from producers.imports import plain
from producers.imports.dates import Moment, moment
from producers.imports.discovery import feeds_of
from producers.imports.entry import Entry, File, trusted
from producers.imports.shape import misshapen
from producers.imports.urls import canonical, web_address
from producers.wording import say

ENTRIES_MAX = 2000
MINUTE_S = 60
TTL_MAX = 7 * 24 * 60

_DECLARED = re.compile(r"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([-\w.:]{1,40})["']""")
_XML = re.compile(r"^\s*<\?xml[^>]{0,300}\?>")
_ENTITY = re.compile("<!ENTITY", re.IGNORECASE)
_NUMBERED = re.compile("&#0*(?:([0-9]+)|[xX]0*([0-9a-fA-F]+));?")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}")
NO_DOCUMENTS = ("image", "audio", "video")
FILE_NAME_MAX = 150
HALVES = range(0xD800, 0xE000)
LOST = "\ufffd"
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
    entries = trusted(entry(one, url, now) for one in found.entries[:ENTRIES_MAX])
    title = plain.short(plain.line_of(found.feed.get("title", "")), 150)
    return Document(title, entries, ttl(found.feed.get("ttl", "")))


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

    It is not told where the feed was found: it would make an address of every guid.
    """
    said = {"content-type": "application/xml; charset=utf-8"}
    return feedparser.parse(
        io.BytesIO(_XML.sub("", written).encode("utf-8", "replace")),
        response_headers=said,
        sanitize_html=False,  # all of it becomes plain text
        resolve_relative_uris=False,
    )


def mended(written: str) -> str:
    """Halves of a letter, each written as a number, are made one; what is no letter is told so.

    Some sites write emoji like that, and the parser stumbles over it.
    """
    halves = _NUMBERED.sub(numbered, written)
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def numbered(found: re.Match[str]) -> str:
    code = int(found[1][:9]) if found[1] else int(found[2][:9], 16)
    if code > sys.maxunicode:
        return LOST
    return chr(code) if code in HALVES else found[0]


def decoded(body: bytes, charset: str) -> str:
    """*body* as text. Raises NotAFeed for an encoding that is not known, or not kept to."""
    named = encoding_of(body, charset)
    try:
        name = codecs.lookup(named).name
    except LookupError:
        raise not_a_feed("encoding_unknown", value=named) from None
    if name.replace("utf-8-sig", "utf-8") not in ENCODINGS:
        raise not_a_feed("encoding_unknown", value=named)
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


def entry(said: Any, base: str, now: datetime) -> Entry:
    """One entry in our words."""
    when = when_of(said, now)
    return Entry(
        title=title_of(said),
        url=web_address(link_of(said), base),
        guid=str(said.get("id", "")).strip()[:2000],
        lead=said.get("summary", ""),
        full="\n\n".join(bodies(said)),
        author=author_of(said),
        at=when.at,
        days=when.days,
        ahead=when.ahead,
        files=tuple(islice(files_of(said, base), LINKS_MAX)),
    )


def title_of(said: Any) -> str:
    detail = said.get("title_detail", {})
    value = str(detail.get("value", ""))
    return " ".join(value.split()) if detail.get("type") == "text/plain" else plain.line_of(value)


def link_of(said: Any) -> str:
    """Where to read on. The parser offers the guid where there is no link: it is one if it is an
    address, and leads nowhere if it is but a name."""
    link = str(said.get("link", "")).strip()
    is_name = link == str(said.get("id", "")).strip()
    return "" if is_name and not (canonical(link) or link.startswith("/")) else link


def bodies(said: Any) -> Iterator[str]:
    """The full texts; what is no text is left out."""
    for part in said.get("content", ()):
        if part.get("type") in ("text/html", "application/xhtml+xml", "text/plain"):
            yield part.get("value", "")


def files_of(said: Any, base: str) -> Iterator[File]:
    """The documents that it encloses. A picture, a sound or a film is no document."""
    seen = set()
    for one in said.get("enclosures", ()):
        url = web_address(str(one.get("href", "")), base)
        kind = str(one.get("type", "")).partition(";")[0].strip().lower()
        if url in seen or not canonical(url) or kind.partition("/")[0] in NO_DOCUMENTS:
            continue
        seen.add(url)
        size = str(one.get("length", "")).strip()
        yield File(
            url,
            file_name(url),
            kind if _MEDIA_TYPE.fullmatch(kind) else "",
            int(size) if size.isascii() and size.isdecimal() and len(size) < 16 else 0,
        )


def file_name(url: str) -> str:
    """What a file is called in its address, as far as that can be read."""
    name = unquote(urlsplit(url).path.rpartition("/")[2], errors="ignore")
    try:
        return text.line(plain.short(name, FILE_NAME_MAX)) or say("import", "file").vi
    except PydanticCustomError:
        return say("import", "file").vi


def author_of(said: Any) -> str:
    """A name; an address is nobody's business."""
    name = plain.line_of(said.get("author_detail", {}).get("name", ""))
    return "" if "@" in name else name


def when_of(said: Any, now: datetime) -> Moment:
    """When it came out; the day of a later change is not the day of the article."""
    for name in ("published", "created", "updated"):
        found = moment(str(said.get(name, "")), now)
        if found.at:
            return found
    return Moment()


def ttl(minutes: str) -> float:
    """RSS's own wish, in seconds; at most a week."""
    return min(int(minutes[:9]), TTL_MAX) * MINUTE_S if minutes.strip().isdecimal() else 0.0


def not_a_feed(code: str, **values: object) -> NotAFeed:
    return NotAFeed(say("import", code, **values).about("feed"))
