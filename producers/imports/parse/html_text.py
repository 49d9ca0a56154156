"""Convert a site's HTML to plain text, and plain text to equivalent Markdown.

Own parser with cost linear in the length: neither the standard library's nor a full HTML
parser guarantees that for hostile input.
"""

import re
from collections.abc import Iterator
from html import unescape as letters_of

_IGNORED_TAGS = frozenset(
    {"script", "style", "noscript", "template", "iframe", "svg", "object", "head"}
)
_BLOCK_TAGS = frozenset(
    {
        *("p", "div", "section", "article", "header", "footer", "main", "aside", "figure"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "dt", "dd", "table", "tr"),
        *("blockquote", "pre", "hr", "figcaption", "address", "form"),
    }
)
_TAG_SPACING = {"br": "\n", "li": "\n- ", "td": " ", "th": " "} | dict.fromkeys(_BLOCK_TAGS, "\n\n")
_ELLIPSIS = "…"
REPLACEMENT = "\ufffd"

_TAG = re.compile(
    r"""<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*+)(?:(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+|[^<>]*+)>"""
)
_MARKUP = re.compile("<[a-zA-Z/!]")
_DECLARATION = re.compile(r"<[!?][^<>]*+>")
_HUGE = re.compile("&#[0-9]{10,}+;?")
_SPACES = re.compile(r"[^\S\n]+")
_ANY_SPACE = re.compile(r"\s+")
_BLANK = re.compile(r"\n{3,}")
_MARKS = re.compile(r"([\\`*_\[\]<>|~&])")
_RULE = re.compile(r"(?m)^(?=[-=+][-=+ ]*$|#)")
_BREAK = re.compile(r"(?<=[^\n])\n(?=[^\n])")
_ITEM = re.compile(r"[-+] |\d{1,9}[.)] ")


def _text_pieces(markup: str) -> Iterator[tuple[str, str]]:
    """Yield `(gap, text)`: each visible stretch of text and the spacing before it."""
    markup = _DECLARATION.sub("", remove_between(markup, "<!--", "-->"))
    at, silent, gap = 0, "", ""
    for tag in _TAG.finditer(markup):
        name = tag["name"].lower()
        if not silent:
            yield gap, markup[at : tag.start()]
            gap = "" if tag["end"] and name not in _BLOCK_TAGS else _TAG_SPACING.get(name, "")
            silent = name if name in _IGNORED_TAGS and not tag["end"] else ""
        elif name == silent and tag["end"]:
            silent = ""
        at = tag.end()
    if not silent:
        yield gap, markup[at:]


def remove_between(text: str, begin: str, end: str) -> str:
    """*text* without the parts between *begin* and *end*."""
    parts, at = [], 0
    while (start := text.find(begin, at)) >= 0:
        stop = text.find(end, start + len(begin))
        if stop < 0:
            break
        parts.append(text[at:start])
        at = stop + len(end)
    return "".join([*parts, text[at:]])


def text_of(markup: str) -> str:
    """The text of HTML: paragraphs separated by an empty line."""
    lines = not _MARKUP.search(markup)  # in plain text a line break counts
    seen = "".join(
        gap + unescape(piece if lines else _ANY_SPACE.sub(" ", piece))
        for gap, piece in _text_pieces(markup)
    )
    clean = (line.strip() for line in _SPACES.sub(" ", seen).split("\n"))
    return _BLANK.sub("\n\n", "\n".join(clean)).strip()


def unescape(text: str) -> str:
    """Replace character references; numbers beyond Unicode become U+FFFD."""
    return letters_of(_HUGE.sub(REPLACEMENT, text))


def line_of(markup: str) -> str:
    """The text of HTML on one line."""
    return " ".join(text_of(markup).split())


def comparable_text(markup: str) -> str:
    """The text without spaces and markup, for comparing."""
    return "".join("".join(unescape(piece) for _, piece in _text_pieces(markup)).split())


def shorten(text: str, max_length: int) -> str:
    """The beginning of *text* on one line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= max_length:
        return line
    begun = line[: max_length - 1]
    shortened = begun.rsplit(" ", 1)[0] if " " in begun else begun
    return shortened.rstrip(" ,;:-") + _ELLIPSIS


def markdown_of(text: str) -> str:
    """Markdown that renders as *text*; lists and line breaks stay."""
    return _RULE.sub(r"\\", _BREAK.sub(_keep_line_break, _MARKS.sub(r"\\\1", text)))


def _keep_line_break(gap: re.Match[str]) -> str:
    """A hard line break, unless a list item follows."""
    return "\n" if _ITEM.match(gap.string, gap.end()) else "  \n"
