"""The blocks of a text: paragraphs, headings, quotations, lists, tables, code."""

import re
from dataclasses import dataclass, field

from lxml.html import HtmlElement

from producers.html_to_markdown.cleaner import BLOCKS, clean
from producers.html_to_markdown.clipboard import read_clipboard
from producers.html_to_markdown.escapes import escape, plain
from producers.html_to_markdown.inline import BREAK, InlineWriter, finish
from producers.html_to_markdown.labels import read_labels
from producers.html_to_markdown.lists import write_list
from producers.html_to_markdown.losses import Losses
from producers.html_to_markdown.tables import write_table

_BACKTICKS = re.compile("`{3,}")
_CLOSING_HASHES = re.compile(r"(?<!\\)(#+)$")
_RULE = "___"
"""Not `---`, which below a line of words is a heading, and after `- ` a rule alone."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A text as Markdown, and what it lost."""

    markdown: str
    losses: Losses


def to_markdown(markup: str) -> Converted:
    """Convert HTML to CommonMark with tables. Raises TooNested, TableTooLarge."""
    writer = _BlockWriter()
    root = clean(markup)
    read_clipboard(root, writer.losses)
    read_labels(root)
    markdown = "\n\n".join(writer.blocks(root))
    return Converted(markdown + "\n" if markdown else "", +writer.losses)


@dataclass(frozen=True, slots=True)
class _BlockWriter:
    """Writes blocks, and counts what they lose."""

    losses: Losses = field(default_factory=Losses)

    @property
    def inline(self) -> InlineWriter:
        return InlineWriter(self.losses)

    def blocks(self, node: HtmlElement) -> list[str]:
        """The blocks of *node*; words between its blocks are paragraphs."""
        written: list[str] = []
        words = escape(plain(node.text))
        for child in node:
            if child.tag in BLOCKS:
                written += [finish(words), *self._block(child)]
                words = ""
            else:
                words += self.inline.element(child)
            words += escape(plain(child.tail))
        return [block for block in (*written, finish(words)) if block]

    def _block(self, node: HtmlElement) -> list[str]:
        match str(node.tag):
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6" as tag:
                return self._heading(node, int(tag[1]))
            case "ul" | "ol" | "table":
                return self._list_or_table(node)
            case "hr":
                return [_RULE]
            case "pre":
                return [_fenced(node.text_content().removesuffix("\n"))]
        blocks = self.blocks(node)
        return _quoted(blocks) if node.tag == "blockquote" else blocks

    def _list_or_table(self, node: HtmlElement) -> list[str]:
        if node.tag == "table":
            return write_table(node, self.blocks, self.losses)
        return [write_list(node, self.blocks)]

    def _heading(self, node: HtmlElement, level: int) -> list[str]:
        words = self.inline.paragraph(node).replace(BREAK, " ")
        return [f"{'#' * level} {_CLOSING_HASHES.sub(_escaped_hashes, words)}"] if words else []


def _escaped_hashes(found: re.Match[str]) -> str:
    return "\\" + found[1]


def _fenced(code: str) -> str:
    fence = "`" * max((len(run) + 1 for run in _BACKTICKS.findall(code)), default=3)
    return f"{fence}\n{code}\n{fence}"


def _quoted(blocks: list[str]) -> list[str]:
    lines = "\n\n".join(blocks).split("\n")
    return ["\n".join(f"> {line}".rstrip(" ") for line in lines)] if blocks else []
