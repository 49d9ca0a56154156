"""Shape of a page by a real parser: elements, attributes and addresses."""

import re

import lxml.html

SAFE_SCHEMES = ("https://", "http://", "mailto:", "tel:", "/", "#", "cid:")
ADDRESSES = {"href", "src", "action", "formaction", "background", "data", "poster", "xlink:href"}
MARKDOWN = {
    *("p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "a", "img"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "div", "table", "thead", "tbody", "tr", "th", "td"),
}
"""Elements that an author may write."""
MARKDOWN_ATTRIBUTES = {"href", "title", "alt", "src", "start", "style", "rel", "align", "class"}


def shape(html: str) -> tuple[set[str], set[str]]:
    """The elements and the attributes of a page that is not hostile."""
    elements = [
        one for one in lxml.html.document_fromstring(html).iter() if isinstance(one.tag, str)
    ]
    return {one.tag for one in elements}, {name for one in elements for name in one.attrib}


def faults(html: str, known: tuple[set[str], set[str]]) -> list[str]:
    """Elements, attributes and addresses that no harmless page has."""
    found = []
    for element in lxml.html.document_fromstring(html).iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag not in known[0]:
            found.append(f"<{element.tag}>")
        for name, value in element.attrib.items():
            squeezed = re.sub(r"[\s\x00-\x20]", "", value).lower()
            if name not in known[1] or name.startswith("on"):
                found.append(f"{element.tag} {name}")
            elif name in ADDRESSES and not squeezed.startswith(SAFE_SCHEMES):
                found.append(f"{name}={value!r}")
    return found
