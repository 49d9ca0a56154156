"""An item's Markdown body, as mail HTML and as the same words in plain text."""

import re
from collections.abc import Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from channels.email.plain import PlainWriter

# Character references (`&#12;`, `&rlm;`) bring in what the contract refuses in plain text.
_UNWELCOME = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]"
)
_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
_HEADING = re.compile(r"h([1-6])")
_HEADINGS = {"h2", "h3", "h4", "h5", "h6"}
_BLOCKS = {"blockquote", "hr", "li", "ol", "p", "pre", "ul"}
_TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
_TAGS = {"a", "br", "code", "em", "strong"} | _HEADINGS | _BLOCKS | _TABLES
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}


def parse(body: str) -> list[Token]:
    """The body's tokens: the mail's own heading is h1, and pictures become links to them."""
    tokens = _PARSER.parse(body)
    for token in tokens:
        token.tag = _HEADING.sub(lambda level: f"h{min(6, int(level[1]) + 1)}", token.tag)
        token.children = unpictured(token.children or ())
        for part in (token, *token.children):
            part.content = _UNWELCOME.sub("", part.content)
    return tokens


def unpictured(children: Sequence[Token]) -> list[Token]:
    """No mail loads a picture from outside: that would tell the sender who reads it."""
    out: list[Token] = []
    for child in children:
        if child.type != "image":
            out.append(child)
            continue
        words = child.content or str(child.attrs["src"])
        out.append(Token("link_open", "a", 1, attrs={"href": child.attrs["src"]}))
        out.append(Token("text", "", 0, content=words))
        out.append(Token("link_close", "a", -1))
    return out


def html(tokens: Sequence[Token]) -> Markup:
    """Safe HTML: only the tags above, only web and mail links."""
    raw = _PARSER.renderer.render(tokens, _PARSER.options, {})
    clean = nh3.clean(
        raw, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes={"http", "https", "mailto", "tel"}
    )
    return Markup(clean)  # noqa: S704 - cleaned in the line above


def plain(tokens: Sequence[Token]) -> str:
    return PlainWriter().write(tokens)
