"""A body's Markdown as HTML that is safe to show: parsed without raw HTML, then sanitised."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from urllib.parse import urljoin, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from channels.portal.model.texts import catalog_text

TOP_HEADING = 2  # the page's own title is the h1
LOWEST_HEADING = 6

# Character references (`&#12;`, `&rlm;`) bring in what the contract refuses in plain text:
# what XML cannot hold, and what reorders the reader's text.
_FORBIDDEN_CHARACTERS = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_TAGS = {
    *("p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "a", "img"),
    *("h2", "h3", "h4", "h5", "h6", "div", "table", "thead", "tbody", "tr", "th", "td"),
}


def to_html(markdown: str, base_url: str) -> str:
    """CommonMark with tables as HTML; relative links are resolved against *base_url*."""
    html = _cleaner(base_url).clean(_MARKDOWN.render(markdown, {BASE_URL_KEY: base_url}))
    return _FORBIDDEN_CHARACTERS.sub("", html).strip()


BASE_URL_KEY = "base_url"


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


def _demote_headings(tokens: Sequence[Token]) -> None:
    """Let the highest heading of the body be an h2, whatever its author began with."""
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    if not headings:
        return
    shift = TOP_HEADING - min(int(token.tag[1]) for token in headings)
    for token in headings:
        token.tag = f"h{min(LOWEST_HEADING, int(token.tag[1]) + shift)}"


def _align_by_class(tokens: Sequence[Token]) -> None:
    """Say a cell's alignment by class: the pages allow no inline style."""
    for token in tokens:
        style = token.attrs.pop("style", None)
        if isinstance(style, str):
            token.attrSet("class", style.removeprefix("text-align:"))


def _mark_bare_addresses(tokens: Sequence[Token]) -> None:
    """Mark a link whose words are its address: on paper it is not written twice."""
    for token in tokens:
        inline = token.children or []
        for link, words in pairwise(inline):
            if link.type == "link_open" and (
                link.info == "auto" or words.content == link.attrs["href"]
            ):
                link.attrSet("class", "bare")


def _link_insecure_images(state: StateCore) -> None:
    """Only images over TLS, or of the portal itself, stay: browsers are told to load no others."""
    base = state.env[BASE_URL_KEY]
    for token in state.tokens:
        if token.children:
            token.children = list(_with_images_linked(token.children, base))


def _with_images_linked(tokens: Sequence[Token], base: str) -> Iterator[Token]:
    """An image without TLS becomes a link; inside a link, or without an address, its words stay."""
    inside = 0
    for token in tokens:
        inside += token.nesting if token.type in ("link_open", "link_close") else 0
        scheme = _token_scheme(token, base)
        if scheme in ("", "https"):
            yield token
            continue
        words = Token("text", "", 0, content=_alt(token) or catalog_text("media", "image/jpeg"))
        yield from [words] if inside or scheme != "http" else _link(token, words)


def _link(image: Token, words: Token) -> list[Token]:
    href = {"href": image.attrs["src"]}
    return [Token("link_open", "a", 1, attrs=href), words, Token("link_close", "a", -1)]


def is_displayable(address: str, page_url: str) -> bool:
    """Whether browsers, as they are told, load the image into that page of the portal."""
    return _image_scheme(address, page_url) in ("", "https")


def _token_scheme(token: Token, base: str) -> str:
    """How a browser would fetch the image; empty for what is none, or the portal's own."""
    return _image_scheme(str(token.attrs["src"]), base) if token.type == "image" else ""


def _image_scheme(address: str, base: str) -> str:
    """The scheme; empty for the portal's own, `none` for what is no address."""
    try:
        image, page = urlsplit(urljoin(base, address)), urlsplit(base)
    except ValueError:
        return "none"
    return "" if image[:2] == page[:2] else image.scheme if image.netloc else "none"


def _alt(image: Token) -> str:
    return "".join(one.content for one in image.children or ()).strip()


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.core.ruler.push("demote_headings", lambda state: _demote_headings(state.tokens))
    parser.core.ruler.push("align_by_class", lambda state: _align_by_class(state.tokens))
    parser.core.ruler.push("bare_addresses", lambda state: _mark_bare_addresses(state.tokens))
    parser.core.ruler.push("link_what_is_not_shown", _link_insecure_images)
    frame = _TABLE_FRAME.format(label=escape(catalog_text("item", "table")))
    parser.add_render_rule("table_open", lambda *_: f"{frame}<table>\n")
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


_MARKDOWN = _parser()
