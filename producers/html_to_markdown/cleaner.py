"""Untrusted HTML as a bounded tree of the few elements that Markdown has words for."""

import re

import nh3
from lxml import html
from lxml.html import HtmlElement

from producers.html_to_markdown.clipboard import traits, word_class
from producers.html_to_markdown.errors import TooNested

DEPTH_MAX = 100
"""Levels of nested elements; a list of nine levels in a table in a table has 30."""
BLOCKS = frozenset(
    (*("p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "hr"), *("ul", "ol"))
) | {"li", "table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"}
_INLINE = {
    *("a", "b", "strong", "i", "em", "u", "s", "strike", "sup", "sub", "code", "br", "img", "span"),
}
_DROPPED_WITH_WORDS = {
    *("script", "style", "title", "del", "template", "iframe", "object", "svg", "math"),
    *("noscript", "textarea", "select", "head"),
}
_ATTRIBUTES = {
    "*": {"style", "class"},
    "a": {"href"},
    "img": {"src", "alt"},
    "ol": {"start"},
    "td": {"colspan", "rowspan", "align"},
    "th": {"colspan", "rowspan", "align"},
}
_TAG = re.compile(r"<(/?)([a-z0-9]+)")
_FORBIDDEN = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Characters that no page shows: of control, and those that turn the order of reading."""
_VOID = {"br", "hr", "img"}


def clean(markup: str) -> HtmlElement:
    """Parse *markup* and keep the allowed elements below one `div`. Raises TooNested."""
    allowed = nh3.clean(
        markup,
        tags=BLOCKS | _INLINE,
        clean_content_tags=_DROPPED_WITH_WORDS,
        attributes=_ATTRIBUTES,
        attribute_filter=_filter_attribute,
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel=None,
    )
    _check_depth(allowed)
    return html.fragment_fromstring(_FORBIDDEN.sub("", allowed), create_parent="div")


def _filter_attribute(_tag: str, name: str, value: str) -> str | None:
    """Of styles and classes, only what `clipboard` reads."""
    if name == "style":
        return traits(value) or None
    return word_class(value) if name == "class" else value


def _check_depth(markup: str) -> None:
    """Count open elements: HTML libraries recurse, and libxml2 drops deeply nested elements."""
    depth = 0
    for end, tag in _TAG.findall(markup):
        depth += 0 if tag in _VOID else -1 if end else 1
        if depth > DEPTH_MAX:
            raise TooNested
