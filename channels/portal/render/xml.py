"""XML elements, documents and RFC 3339 times of feeds."""

import re
from datetime import datetime

from lxml import etree

ATOM_NS = "http://www.w3.org/2005/Atom"
CONTENT_NS = "http://purl.org/rss/1.0/modules/content/"
DUBLIN_CORE_NS = "http://purl.org/dc/elements/1.1/"
HISTORY_NS = "http://purl.org/syndication/history/1.0"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
Element = etree._Element  # lxml has no public name for the type


def atom_tag(tag: str) -> str:
    return f"{{{ATOM_NS}}}{tag}"


def add_child(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    """Add a child element. Raises ValueError for characters that XML cannot hold."""
    element = etree.SubElement(parent, tag, attributes)
    element.text = text
    return element


def add_atom(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    """Add a child element of Atom's namespace. Raises as `add_child`."""
    return add_child(parent, atom_tag(tag), text, **attributes)


def new_atom_feed(*, is_archive: bool = False) -> Element:
    prefixes: dict[str | None, str] = {None: ATOM_NS}
    if is_archive:
        prefixes["fh"] = HISTORY_NS
    root = etree.Element(atom_tag("feed"), nsmap=prefixes)
    root.set(XML_LANG, "vi")
    return root


def format_rfc3339(at: datetime) -> str:
    """A UTC time in RFC 3339, with the `Z` that Atom requires."""
    return at.isoformat().replace("+00:00", "Z")


def serialize(root: Element) -> bytes:
    """Serialize the document in UTF-8, with hexadecimal references for `&` and `<`.

    XML parsers treat `&amp;` and `&#x26;` alike; RSS readers that inspect a title before parsing it
    understand only the second. lxml writes no CDATA, comment or doctype here, so every `&amp;` and
    `&lt;` is such a reference.
    """
    text = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.replace(b"&amp;", b"&#x26;").replace(b"&lt;", b"&#x3C;") + b"\n"


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


def parse_rfc3339(text: object) -> datetime | None:
    """Parse an RFC 3339 time with capital T and Z; None for other input."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
