"""Markdown body of an item as mail HTML."""

import re
from collections.abc import Sequence
from html import escape
from urllib.parse import urljoin

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from channels.markdown_text import parse_bounded, shift_headings

# Character references (`&#12;`, `&rlm;`) bring in what the contract refuses in plain text.
_CONTROL_CHARACTERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]"
)
_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
_HEADINGS = {"h2", "h3", "h4", "h5", "h6"}
_BLOCKS = {"blockquote", "hr", "li", "ol", "p", "pre", "ul"}
_TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
_TAGS = {"a", "br", "code", "em", "strong"} | _HEADINGS | _BLOCKS | _TABLES
_DATA_TABLE = {"class": "data", "border": "1", "cellpadding": "6"}
"""Its lines and spaces also where a mail program reads no styles."""
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes={"a": {"href"}, "ol": {"start"}},
    set_tag_attribute_values={"th": {"scope": "col"}, "table": _DATA_TABLE},
    url_schemes={"http", "https", "mailto", "tel"},
    link_rel=None,
)


def parse(body: str, base_url: str) -> list[Token]:
    """Parse a body into tokens that both parts of the mail can show.

    Headings begin at h2, pictures become links, links are absolute or else plain words.
    """
    tokens = parse_bounded(_PARSER, body)
    shift_headings(tokens)
    for token in tokens:
        token.children = _resolve_links(_images_to_links(token.children or ()), base_url)
        for part in (token, *token.children):
            part.content = _CONTROL_CHARACTERS.sub("", part.content)
    return tokens


def _images_to_links(children: Sequence[Token]) -> list[Token]:
    """Replace pictures by links: loading a remote picture would reveal the reader.

    A picture inside a link leaves its words.
    """
    out: list[Token] = []
    depth = 0
    for child in children:
        depth += child.nesting if child.tag == "a" else 0
        if child.type != "image":
            out.append(child)
            continue
        src = str(child.attrs["src"])
        words = Token("text", "", 0, content=child.content or src)
        out += [words] if depth else [_link_open_token(src), words, _link_close_token()]
    return out


def _resolve_links(children: Sequence[Token], base_url: str) -> list[Token]:
    """Make links absolute; a broken or nested link leaves its words."""
    out: list[Token] = []
    hrefs: list[str] = []  # of the links around; empty for one that is left out
    for child in children:
        if child.type == "link_open":
            href = "" if any(hrefs) else _absolute_url(str(child.attrs["href"]), base_url)
            hrefs.append(href)
            out += [_link_open_token(href)] if href else []
        elif child.type == "link_close":
            out += _closing_tokens(hrefs.pop(), out)
        else:
            out.append(child)
    return out


def _closing_tokens(href: str, out: Sequence[Token]) -> list[Token]:
    """Tokens that close a link; a link without words shows its address."""
    words = [Token("text", "", 0, content=href)] if out and out[-1].type == "link_open" else []
    return [*words, _link_close_token()] if href else []


def _link_open_token(href: str) -> Token:
    return Token("link_open", "a", 1, attrs={"href": href})


def _link_close_token() -> Token:
    return Token("link_close", "a", -1)


def _absolute_url(href: str, base_url: str) -> str:
    """*href* as absolute URL; empty if the cleaner would remove it."""
    try:
        url = urljoin(base_url, href)
    except ValueError:
        return ""
    return url if "href=" in _CLEANER.clean(f'<a href="{escape(url)}">x</a>') else ""


def render_html(tokens: Sequence[Token]) -> Markup:
    """Safe HTML: allowed tags, web and mail links."""
    raw = _PARSER.renderer.render(tokens, _PARSER.options, {})
    return Markup(_CLEANER.clean(raw))  # noqa: S704 - cleaned right here
