"""Rendering of a body's Markdown to safe HTML: no raw HTML, then sanitised."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape
from itertools import pairwise
from urllib.parse import urljoin, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from channels.markdown_text import parse_bounded, shift_headings
from channels.portal.model.texts import catalog_text
from design.frame import frame_texts

_BASE_URL_KEY = "base_url"
# Character references (`&#12;`, `&rlm;`) can produce characters that the contract refuses in plain
# text: those that XML cannot hold, and those that reorder text.
_FORBIDDEN_CHARACTERS = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_TAGS = {
    *("p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "a", "img"),
    *("h2", "h3", "h4", "h5", "h6", "div", "table", "thead", "tbody", "tr", "th", "td"),
}


def to_html(markdown: str, base_url: str) -> str:
    """Render CommonMark with tables to HTML; relative links resolve against *base_url*."""
    env = {_BASE_URL_KEY: base_url}
    tokens = parse_bounded(_MARKDOWN, markdown, env)
    raw = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, env)
    html = _cleaner(base_url).clean(raw)
    return _FORBIDDEN_CHARACTERS.sub("", html).strip()


def _cleaner(base_url: str) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes={"a": {"bare"}, "div": {"table"}, "th": _ALIGNMENTS, "td": _ALIGNMENTS},
        set_tag_attribute_values=_FIXED_ATTRIBUTES,
        url_schemes={"http", "https", "mailto", "tel"},
        url_relative=("rewrite_with_base", base_url),
        link_rel="noopener",
    )


_ALIGNMENTS = {"left", "center", "right"}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "div": {"role", "tabindex", "aria-label"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
}
# At most one per tag: several would come out in another order every time.
_FIXED_ATTRIBUTES = {"th": {"scope": "col"}, "img": {"loading": "lazy"}}
_TABLE_FRAME = '<div class="table" role="group" tabindex="0" aria-label="{label}">'
"""A wide table scrolls inside its frame, by keyboard too."""


def _align_by_class(state: StateCore) -> None:
    """Replace a cell's inline style by a class; the pages allow no inline style."""
    for token in state.tokens:
        style = token.attrs.pop("style", None)
        if isinstance(style, str):
            token.attrSet("class", style.removeprefix("text-align:"))


def _mark_bare_addresses(state: StateCore) -> None:
    """Mark links whose text is their address, so that print does not repeat the address."""
    for token in state.tokens:
        for link, text in pairwise(token.children or []):
            is_link = link.type == "link_open"
            if is_link and (link.info == "auto" or text.content == link.attrs["href"]):
                link.attrSet("class", "bare")


def _link_foreign_images(state: StateCore) -> None:
    """Keep the portal's own images, link the others: loading them would tell who reads."""
    base = state.env[_BASE_URL_KEY]
    for token in state.tokens:
        if token.children:
            token.children = list(_with_images_linked(token.children, base))


def _with_images_linked(tokens: Sequence[Token], base: str) -> Iterator[Token]:
    """Replace foreign images by links; inside links or without web address by their text."""
    link_depth = 0
    for token in tokens:
        link_depth += token.nesting if token.type in ("link_open", "link_close") else 0
        if token.type != "image":
            yield token
            continue
        address = str(token.attrs["src"])
        if is_own_address(address, base):
            token.attrSet("src", urljoin(base, address))  # so that readings of it cannot differ
            yield token
        else:
            yield from _image_as_link(token, "" if link_depth else _web_address(address, base))


def _image_as_link(image: Token, address: str) -> Iterator[Token]:
    """The image's text as a link to *address*, if any."""
    alt = "".join(child.content for child in image.children or ()).strip()
    text = Token("text", "", 0, content=alt or catalog_text("media", "image/jpeg"))
    if not address:
        yield text
        return
    yield Token("link_open", "a", 1, attrs={"href": address})
    yield from (text, Token("link_close", "a", -1))


def is_own_address(address: str, page_url: str) -> bool:
    """Whether *address*, read on that page, is one of the portal."""
    try:
        return urlsplit(urljoin(page_url, address))[:2] == urlsplit(page_url)[:2]
    except ValueError:
        return False


def _web_address(address: str, base: str) -> str:
    """The address as written if it is one of the web, else empty."""
    try:
        parts = urlsplit(urljoin(base, address))
    except ValueError:
        return ""
    return address if parts.scheme in ("http", "https") and parts.netloc else ""


def is_current(html: str) -> bool:
    """Whether a stored body has no foreign picture, and its tables today's label."""
    labelled = html.count(f'aria-label="{_table_label()}"')
    return "<img " not in html and html.count('class="table"') == labelled


@lru_cache(maxsize=1)
def _table_label() -> str:
    return escape(frame_texts()["table"])


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.core.ruler.push("demote_headings", lambda state: shift_headings(state.tokens))
    parser.core.ruler.push("align_by_class", _align_by_class)
    parser.core.ruler.push("bare_addresses", _mark_bare_addresses)
    parser.core.ruler.push("link_foreign_images", _link_foreign_images)
    frame = _TABLE_FRAME.format(label=_table_label())
    parser.add_render_rule("table_open", lambda *_: f"{frame}<table>\n")
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


_MARKDOWN = _parser()
