"""One entry of a feed, as the parser has it, in our words.

What a broken document makes of a field may be anything; what is no text, says nothing.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic_core import PydanticCustomError

from contracts import text
from contracts.content import LINKS_MAX
from producers.imports import plain
from producers.imports.dates import Moment, moment
from producers.imports.entry import Entry, File
from producers.imports.urls import canonical, web_address
from producers.wording import say

_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}")
NO_DOCUMENTS = ("image", "audio", "video")
FILE_NAME_MAX = 150


def entry(said: Any, base: str, now: datetime) -> Entry:
    """One entry in our words."""
    when = when_of(said, now)
    return Entry(
        title=title_of(said),
        url=web_address(link_of(said), base),
        guid=words(said, "id").strip()[:2000],
        lead=words(said, "summary"),
        full="\n\n".join(bodies(said)),
        author=author_of(said),
        at=when.at,
        days=when.days,
        ahead=when.ahead,
        files=tuple(islice(files_of(said, base), LINKS_MAX)),
    )


def words(said: Any, name: str) -> str:
    """The text of a field; empty where there is none."""
    value = said.get(name)
    return value if isinstance(value, str) else ""


def title_of(said: Any) -> str:
    detail = said.get("title_detail") or {}
    value = words(detail, "value")
    return " ".join(value.split()) if detail.get("type") == "text/plain" else plain.line_of(value)


def link_of(said: Any) -> str:
    """Where to read on. The parser offers the guid where there is no link: it is one if it is an
    address, and leads nowhere if it is but a name."""
    link = words(said, "link").strip()
    is_name = link == words(said, "id").strip()
    return "" if is_name and not (canonical(link) or link.startswith("/")) else link


def bodies(said: Any) -> Iterator[str]:
    """The full texts; what is no text is left out."""
    for part in said.get("content", ()):
        if part.get("type") in ("text/html", "application/xhtml+xml", "text/plain"):
            yield words(part, "value")


def files_of(said: Any, base: str) -> Iterator[File]:
    """The documents that it encloses. A picture, a sound or a film is no document."""
    seen = set()
    for one in said.get("enclosures", ()):
        url = web_address(words(one, "href"), base)
        kind = words(one, "type").partition(";")[0].strip().lower()
        if url in seen or not canonical(url) or kind.partition("/")[0] in NO_DOCUMENTS:
            continue
        seen.add(url)
        size = words(one, "length").strip()
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
    name = plain.line_of(words(said.get("author_detail") or {}, "name"))
    return "" if "@" in name else name


def when_of(said: Any, now: datetime) -> Moment:
    """When it came out; the day of a later change is not the day of the article."""
    for name in ("published", "created", "updated"):
        found = moment(words(said, name), now)
        if found.at:
            return found
    return Moment()
