"""Emphasis: delimiters only where CommonMark reads them, otherwise the words without.

While a paragraph is put together, control characters mark where emphasis opens and closes;
`resolve` moves them to a place that CommonMark reads, and writes the delimiters.
"""

import re

from markdown_it import MarkdownIt

_READER = MarkdownIt("commonmark", {"html": False})
_LINK_MARK = "\x05"
_BLANK = "(?:\\s|\\\\\n|\u00a0)"
_BETWEEN = re.compile(r"\x03(\*+)\x04(\s*)\x01\1\x02")
_EMPTY = re.compile(r"\x01(\*+)\x02\x03\1\x04")
_BLANK_AFTER_OPEN = re.compile(rf"\x01(\*+)\x02({_BLANK}+)")
_BLANK_BEFORE_CLOSE = re.compile(rf"({_BLANK}+)\x03(\*+)\x04")
_SIGN = r"\\?[^\w\s\x01-\x05\\]"
_SIGN_AFTER_OPEN = re.compile(rf"(?<=\w)\x01(\*+)\x02({_SIGN})")
_SIGN_BEFORE_CLOSE = re.compile(rf"({_SIGN})\x03(\*+)\x04(?=\w)")
_ANY_EMPHASIS = re.compile(r"\x01\*+\x02|\x03\*+\x04")
_MARKS = re.compile("[\x01-\x04]")
_EMPHASIS_TAG = re.compile(r"</?(?:em|strong)>")
_MOVES_MAX = 4
"""How often marks move outwards: nested emphasis has a mark for each level."""


def emphasise(inner: str, delimiter: str) -> str:
    """Mark *inner*, Markdown of a part of a paragraph, as emphasised."""
    return f"\x01{delimiter}\x02{inner}\x03{delimiter}\x04" if inner.strip() else inner


def link(inner: str, target: str) -> str:
    """A link; blanks at the ends of its words stay outside."""
    words = inner.strip()
    before, after = inner[: len(inner) - len(inner.lstrip())], inner[len(inner.rstrip()) :]
    return f"{before}{_LINK_MARK}[{words}]({target}){after}"


def resolve(text: str) -> str:
    """Replace the marks of a whole paragraph by delimiters that CommonMark reads."""
    bare = _write_links(_ANY_EMPHASIS.sub("", text))
    if "\x01" not in text:
        return bare
    placed = _write_links(_MARKS.sub("", _move_marks(text)))
    return placed if _words(placed) == _words(bare) else bare


def _write_links(text: str) -> str:
    """Drop the marks of links; an exclamation mark before one would make it a picture."""
    return text.replace("!" + _LINK_MARK, "\\!").replace(_LINK_MARK, "")


def _move_marks(text: str) -> str:
    for _ in range(_MOVES_MAX):
        text = _BETWEEN.sub(r"\2", text)
    for _ in range(_MOVES_MAX):
        text = _BLANK_AFTER_OPEN.sub("\\2\x01\\1\x02", text)
        text = _BLANK_BEFORE_CLOSE.sub("\x03\\2\x04\\1", text)
    text = _EMPTY.sub("", text)
    for _ in range(_MOVES_MAX):
        text = _SIGN_AFTER_OPEN.sub("\\2\x01\\1\x02", text)
        text = _SIGN_BEFORE_CLOSE.sub("\x03\\2\x04\\1", text)
    return _EMPTY.sub("", text)


def _words(markdown: str) -> str:
    """The visible text of a paragraph, emphasised or not."""
    shown = _READER.renderInline(markdown.strip())
    return _EMPHASIS_TAG.sub("", "".join(shown.split()))
