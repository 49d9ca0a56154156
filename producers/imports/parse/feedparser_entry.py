"""Convert one of feedparser's entries to an `Entry`.

In a broken document a field may have any type; values that are no texts are ignored.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic_core import PydanticCustomError

from contracts import text
from contracts.content import MAX_LINKS
from producers.imports.parse import html_text
from producers.imports.parse.dates import PublishedDate, parse_published
from producers.imports.parse.feed_entry import Enclosure, Entry
from producers.texts import get_text
from producers.units.canonical_urls import absolute_url, canonical_url

_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}")
_MEDIA_KINDS = ("image", "audio", "video")
_MAX_FILE_NAME = 150


def parse_entry(raw: Any, base: str, now: datetime) -> Entry:
    when = _published_of(raw, now)
    return Entry(
        title=_title_of(raw),
        url=absolute_url(_link_of(raw), base),
        guid=field_text(raw, "id").strip()[:2000],
        lead=field_text(raw, "summary"),
        full="\n\n".join(_full_texts(raw)),
        author=_author_of(raw),
        published_at=when.at,
        days=when.days,
        scheduled_for=when.ahead,
        files=tuple(islice(_files_of(raw, base), MAX_LINKS)),
    )


def field_text(raw: Any, name: str) -> str:
    """The text of a field; empty if missing."""
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _title_of(raw: Any) -> str:
    detail = raw.get("title_detail") or {}
    value = field_text(detail, "value")
    is_plain = detail.get("type") == "text/plain"
    return " ".join(value.split()) if is_plain else html_text.line_of(value)


def _link_of(raw: Any) -> str:
    """The entry's link. feedparser substitutes the guid for a missing link, which is used only if
    it is an address.
    """
    link = field_text(raw, "link").strip()
    is_name = link == field_text(raw, "id").strip()
    return "" if is_name and not (canonical_url(link) or link.startswith("/")) else link


def _full_texts(raw: Any) -> Iterator[str]:
    """The full texts; other content types are left out."""
    for part in raw.get("content", ()):
        if part.get("type") in ("text/html", "application/xhtml+xml", "text/plain"):
            yield field_text(part, "value")


def _files_of(raw: Any, base: str) -> Iterator[Enclosure]:
    """Enclosed documents; pictures, sounds and films are left out."""
    seen = set()
    for enclosure in raw.get("enclosures", ()):
        url = absolute_url(field_text(enclosure, "href"), base)
        kind = field_text(enclosure, "type").partition(";")[0].strip().lower()
        if url in seen or not canonical_url(url) or kind.partition("/")[0] in _MEDIA_KINDS:
            continue
        seen.add(url)
        size = field_text(enclosure, "length").strip()
        yield Enclosure(
            url,
            _file_name(url),
            kind if _MEDIA_TYPE.fullmatch(kind) else "",
            int(size) if size.isascii() and size.isdecimal() and len(size) < 16 else 0,
        )


def _file_name(url: str) -> str:
    """The file name in an address, if readable."""
    name = unquote(urlsplit(url).path.rpartition("/")[2], errors="ignore")
    try:
        return text.line(html_text.shorten(name, _MAX_FILE_NAME)) or get_text("import", "file").vi
    except PydanticCustomError:
        return get_text("import", "file").vi


def _author_of(raw: Any) -> str:
    """The author's name; mail addresses are left out."""
    name = html_text.line_of(field_text(raw.get("author_detail") or {}, "name"))
    return "" if "@" in name else name


def _published_of(raw: Any, now: datetime) -> PublishedDate:
    """The publication date; the date of a later change is the last choice."""
    for name in ("published", "created", "updated"):
        published = parse_published(field_text(raw, name), now)
        if published.at:
            return published
    return PublishedDate()
