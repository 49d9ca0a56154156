"""Markdown as plain text: one walk over its tokens, flat for articles and indented for mails.

Where HTML is made of the tokens, `shift_headings` puts their headings below the page's own."""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from contracts.base.markdown_size import RENDERED_MAX, rendered_size

_PARSER = MarkdownIt("commonmark").enable("table")
EMPHASIS_MAX = 20
_TOP, _LOWEST = 2, 6  # the page's or mail's own heading is h1


def parse_bounded(
    parser: MarkdownIt, markdown: str, env: MutableMapping[str, Any] | None = None
) -> list[Token]:
    """Parse *markdown*; a text that would grow beyond the limit becomes one block, as written.

    The doors refuse such texts; an earlier Loa may have stored some.
    """
    if rendered_size(markdown) <= RENDERED_MAX:
        tokens = parser.parse(markdown, env)
        for token in tokens:
            token.children = list(_shallow(token.children)) if token.children else token.children
        return tokens
    as_written = markdown.replace("\u00a0", " ")  # the only sign that HTML makes longer than `&`
    return [Token("code_block", "code", 0, content=as_written, block=True)]


def _shallow(children: Sequence[Token]) -> Iterator[Token]:
    """Drop emphasis within more emphasis than any text needs; its words stay.

    The parser bounds the depth of blocks, not of emphasis, and libraries that read HTML recurse.
    """
    depth = 0
    for child in children:
        is_emphasis = child.tag in ("em", "strong")
        depth += is_emphasis and child.nesting == 1
        if not is_emphasis or depth <= EMPHASIS_MAX:
            yield child
        depth -= is_emphasis and child.nesting == -1


def shift_headings(tokens: Sequence[Token]) -> None:
    """Shift all headings so that the highest is h2."""
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    shift = _TOP - min((int(token.tag[1]) for token in headings), default=_TOP)
    for token in headings:
        token.tag = f"h{min(_LOWEST, int(token.tag[1]) + shift)}"


class _FlatText:
    """Visits tokens, one method per visible kind: one text per paragraph, list item or row."""

    breaks = (" ", "\n")  # soft, hard
    trimmed: str | None = None  # at both ends of a line; None: blanks
    shown_links: tuple[str, ...] = ("http://", "https://")
    """Beginnings of addresses that follow a link's text in brackets."""
    bullet = "• "
    zero: int | None = 1  # first number of a list that begins with 0; None: bullets

    def __init__(self) -> None:
        self.out: list[str] = []
        self.numbers: list[int | None] = []  # of the last item, per open list; None: bullets
        self.cells: list[str] | None = None  # of the open table row
        self.is_new_item = False  # the next paragraph gets the bullet or number

    def walk(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            if visit := getattr(self, token.type, None):
                visit(token)

    def literal(self, text: str) -> None:
        self.out.append(text)

    row = literal

    def paragraph(self, text: str) -> None:
        marker = self.marker() if self.is_new_item and self.numbers else ""
        self.is_new_item = self.is_new_item and not marker
        self.out.append(marker + text)

    def marker(self) -> str:
        """Bullet or number of the current list item."""
        number = self.numbers[-1]
        return self.bullet if number is None else f"{number}. "

    def inline(self, token: Token) -> None:
        text = self.line(token.children or ())
        if self.cells is None:
            self.paragraph(text)
        else:
            self.cells.append(text)

    def line(self, children: Sequence[Token]) -> str:
        """Text of a line; raw HTML is dropped, a picture leaves its description."""
        parts: list[str] = []
        links: list[tuple[str, int]] = []
        soft, hard = self.breaks
        for child in children:
            match child.type:
                case "link_open":
                    links.append((str(child.attrs.get("href", "")), len(parts)))
                case "link_close":
                    href, start = links.pop()
                    shown = href.startswith(self.shown_links) and "".join(parts[start:]) != href
                    parts.append(f" ({href})" if shown else "")
                case "softbreak" | "hardbreak":
                    parts.append(soft if child.type == "softbreak" else hard)
                case kind if kind != "html_inline":
                    parts.append(child.content)
        return "".join(parts).strip(self.trimmed)

    def fence(self, token: Token) -> None:
        self.literal(token.content.rstrip("\n"))

    code_block = fence

    def bullet_list_open(self, _token: Token) -> None:
        self.open_list(None)

    def ordered_list_open(self, token: Token) -> None:
        self.open_list(int(token.attrs.get("start", 1)) or self.zero)

    def open_list(self, start: int | None) -> None:
        self.numbers.append(start and start - 1)

    def bullet_list_close(self, _token: Token) -> None:
        self.numbers.pop()

    ordered_list_close = bullet_list_close

    def list_item_open(self, _token: Token) -> None:
        number = self.numbers[-1]
        self.numbers[-1] = None if number is None else number + 1
        self.is_new_item = True

    def tr_open(self, _token: Token) -> None:
        self.cells = []

    def tr_close(self, _token: Token) -> None:
        cells, self.cells = self.cells or (), None
        self.row(" | ".join(cells))


class _IndentedText(_FlatText):
    """Lists and quotations are indented, blank lines part blocks."""

    breaks = ("\n", "\n")
    trimmed = ""
    shown_links = ("",)
    bullet = "- "
    zero = None

    def __init__(self) -> None:
        super().__init__()
        self.indent: list[str] = []  # prefix of each line of the current block
        self.pending = ""  # marker that waits for the first block of a list item
        self.is_tight = False  # no blank line before the next paragraph
        self.has_blank_line = True  # the next block needs no blank line before it

    def block(self, text: str, tight: bool = False) -> None:
        """Write a block of lines; a blank line precedes it outside tight lists."""
        if not tight:
            self.blank_line()
        self.has_blank_line = False
        first, *rest = text.split("\n")
        margin = "".join(self.indent)
        before = margin[: len(margin) - len(self.pending)] + self.pending
        self.pending = ""
        self.out += [f"{before}{first}".rstrip(), *(f"{margin}{line}".rstrip() for line in rest)]

    def blank_line(self) -> None:
        """Write one blank line, unless the last line is blank."""
        if not self.has_blank_line:
            self.out.append("".join(self.indent).rstrip())
        self.has_blank_line = True

    def flush_marker(self) -> None:
        """Write a pending list marker on a line of its own."""
        if self.pending:
            self.block("", tight=True)

    def literal(self, text: str) -> None:
        self.block(text)

    def row(self, text: str) -> None:
        self.block(text, tight=True)

    def paragraph(self, text: str) -> None:
        self.block(text, self.is_tight)

    def paragraph_open(self, token: Token) -> None:
        self.is_tight = token.hidden

    def heading_open(self, _token: Token) -> None:
        self.is_tight = False

    def hr(self, _token: Token) -> None:
        self.block("-----")

    def table_open(self, _token: Token) -> None:
        self.blank_line()

    def open_list(self, start: int | None) -> None:
        if not self.numbers:
            self.blank_line()
        super().open_list(start)

    def list_item_open(self, token: Token) -> None:
        self.flush_marker()
        super().list_item_open(token)
        self.pending = self.marker()
        self.indent.append(" " * len(self.pending))

    def list_item_close(self, _token: Token) -> None:
        self.flush_marker()
        self.indent.pop()

    def blockquote_open(self, _token: Token) -> None:
        self.flush_marker()
        self.blank_line()
        self.indent.append("> ")

    def blockquote_close(self, _token: Token) -> None:
        self.indent.pop()


def indented_text(tokens: Sequence[Token]) -> str:
    """The whole text, as mails show it."""
    walker = _IndentedText()
    walker.walk(tokens)
    return "\n".join(walker.out).strip("\n")


def paragraphs(markdown: str) -> list[str]:
    """The blocks of *markdown* in order, each as one text; line breaks inside are kept."""
    walker = _FlatText()
    walker.walk(parse_bounded(_PARSER, markdown))
    return [text for text in walker.out if text.strip()]
