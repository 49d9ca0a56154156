"""The small change of feeds: XML elements, times, and a whole document as bytes."""

from datetime import datetime

from lxml import etree

ATOM = "http://www.w3.org/2005/Atom"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
DUBLIN_CORE = "http://purl.org/dc/elements/1.1/"
HISTORY = "http://purl.org/syndication/history/1.0"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

Element = etree._Element


def child(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    """Add an element. Raises ValueError for characters that XML cannot hold."""
    element = etree.SubElement(parent, tag, attributes)
    element.text = text
    return element


def atom(tag: str) -> str:
    return f"{{{ATOM}}}{tag}"


def history(tag: str) -> str:
    """A name of RFC 5005."""
    return f"{{{HISTORY}}}{tag}"


def instant(at: datetime) -> str:
    """A UTC time as RFC 3339, with the `Z` that Atom wants."""
    return at.isoformat().replace("+00:00", "Z")


def document(root: Element) -> bytes:
    """The document in UTF-8. `&` and `<` are written as hexadecimal references.

    To an XML parser `&amp;` and `&#x26;` are the same; readers of RSS that look at a title before
    they parse it understand only the second. lxml writes no CDATA, comment or doctype here, so
    `&amp;` and `&lt;` stand for nothing else.
    """
    text = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.replace(b"&amp;", b"&#x26;").replace(b"&lt;", b"&#x3C;") + b"\n"
