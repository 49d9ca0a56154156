"""XML elements, documents and RFC 3339 times of feeds."""

import re
from datetime import datetime

ATOM_NS = "http://www.w3.org/2005/Atom"
CONTENT_NS = "http://purl.org/rss/1.0/modules/content/"
DUBLIN_CORE_NS = "http://purl.org/dc/elements/1.1/"
HISTORY_NS = "http://purl.org/syndication/history/1.0"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# XML parsers treat `&amp;` and `&#x26;` alike; RSS readers that inspect a title before parsing it
# understand only the second.
_ESCAPES = {"&": "&#x26;", "<": "&#x3C;", ">": "&gt;", "\r": "&#13;"}
_TEXT_ESCAPES = str.maketrans(_ESCAPES)
_ATTRIBUTE_ESCAPES = str.maketrans(_ESCAPES | {'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


class Xml(str):
    """Text that is XML already; `element` escapes all other text."""

    __slots__ = ()


def element(tag: str, /, *content: str, **attributes: str) -> Xml:
    """One element. Raises ValueError for characters that XML cannot hold."""
    start = tag + "".join(
        f' {name}="{_checked(value).translate(_ATTRIBUTE_ESCAPES)}"'
        for name, value in attributes.items()
    )
    if not content:
        return Xml(f"<{start}/>")
    inner = (
        part if isinstance(part, Xml) else _checked(part).translate(_TEXT_ESCAPES)
        for part in content
    )
    return Xml(f"<{start}>{''.join(inner)}</{tag}>")


def document(root: Xml) -> bytes:
    return f"<?xml version='1.0' encoding='utf-8'?>\n{root}\n".encode()


def atom_feed(*content: Xml, **namespaces: str) -> Xml:
    """The root element of an Atom document."""
    return element("feed", *content, xmlns=ATOM_NS, **namespaces, **{"xml:lang": "vi"})


def _checked(text: str) -> str:
    if _FORBIDDEN.search(text):
        raise ValueError("a character that XML cannot hold")
    return text


def format_rfc3339(at: datetime) -> str:
    """A UTC time in RFC 3339, with the `Z` that Atom requires."""
    return at.isoformat().replace("+00:00", "Z")


def parse_rfc3339(text: object) -> datetime | None:
    """Parse an RFC 3339 time with capital T and Z; None for other input."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
