"""Markdown as plain text for mails."""

from collections.abc import Callable, Sequence

from markdown_it.token import Token

CELL_SEPARATOR = " | "


class PlainTextWriter:
    """Walks a token stream once; one method per visible kind of token."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.indent: list[str] = []  # prefix of each line of the current block
        self.marker = ""  # waits for the first block of a list item
        self.numbers: list[int] = []  # next number per open list; 0 = bullets
        self.cells: list[str] = []
        self.in_row = False
        self.has_blank_line = True  # the next block needs no blank line before it

    def write(self, tokens: Sequence[Token]) -> str:
        hidden = False
        for token in tokens:
            hidden = token.hidden if token.type == "paragraph_open" else hidden
            show: Callable[[Token, bool], None] | None = getattr(self, token.type, None)
            if show:
                show(token, hidden)
        return "\n".join(self.out).strip("\n")

    def block(self, text: str, tight: bool = False) -> None:
        """Write a block of lines; a blank line precedes it outside tight lists."""
        if not tight:
            self.blank_line()
        self.has_blank_line = False
        first, *rest = text.split("\n")
        margin = "".join(self.indent)
        before = margin[: len(margin) - len(self.marker)] + self.marker
        self.marker = ""
        self.out += [f"{before}{first}".rstrip(), *(f"{margin}{line}".rstrip() for line in rest)]

    def blank_line(self) -> None:
        """Write one blank line, unless the last line is blank."""
        if not self.has_blank_line:
            self.out.append("".join(self.indent).rstrip())
        self.has_blank_line = True

    def inline(self, token: Token, hidden: bool) -> None:
        words = inline_text(token.children or ())
        if self.in_row:
            self.cells.append(words)
        else:
            self.block(words, tight=hidden)

    def fence(self, token: Token, _hidden: bool) -> None:
        self.block(token.content.rstrip("\n"))

    code_block = fence

    def hr(self, _token: Token, _hidden: bool) -> None:
        self.block("-----")

    def bullet_list_open(self, _token: Token, _hidden: bool) -> None:
        self.open_list(0)

    def ordered_list_open(self, token: Token, _hidden: bool) -> None:
        self.open_list(int(token.attrs.get("start", 1)))

    def open_list(self, number: int) -> None:
        if not self.numbers:
            self.blank_line()
        self.numbers.append(number)

    def bullet_list_close(self, _token: Token, _hidden: bool) -> None:
        self.numbers.pop()

    ordered_list_close = bullet_list_close

    def list_item_open(self, _token: Token, _hidden: bool) -> None:
        self.flush_marker()
        number = self.numbers[-1]
        self.marker = f"{number}. " if number else "- "
        self.numbers[-1] += bool(number)
        self.indent.append(" " * len(self.marker))

    def list_item_close(self, _token: Token, _hidden: bool) -> None:
        self.flush_marker()
        self.indent.pop()

    def flush_marker(self) -> None:
        """Write a pending list marker on a line of its own."""
        if self.marker:
            self.block("", tight=True)

    def blockquote_open(self, _token: Token, _hidden: bool) -> None:
        self.flush_marker()
        self.blank_line()
        self.indent.append("> ")

    def blockquote_close(self, _token: Token, _hidden: bool) -> None:
        self.indent.pop()

    def tr_open(self, _token: Token, _hidden: bool) -> None:
        self.in_row, self.cells = True, []

    def tr_close(self, _token: Token, _hidden: bool) -> None:
        self.in_row = False
        self.block(CELL_SEPARATOR.join(self.cells), tight=True)

    def table_open(self, _token: Token, _hidden: bool) -> None:
        self.blank_line()


def inline_text(children: Sequence[Token]) -> str:
    """Text of a line; a link's address follows in brackets unless it equals the text."""
    out: list[str] = []
    links: list[tuple[str, int]] = []
    for child in children:
        if child.type in ("text", "code_inline"):
            out.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            out.append("\n")
        elif child.type == "link_open":
            links.append((str(child.attrs["href"]), len(out)))
        elif child.type == "link_close":
            out.append(link_suffix(*links.pop(), out))
    return "".join(out)


def link_suffix(href: str, start: int, out: Sequence[str]) -> str:
    return "" if "".join(out[start:]) == href else f" ({href})"
