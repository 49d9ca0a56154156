"""Markdown as plain paragraphs, for places that show only text."""

from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from channels.zalo.texts import catalog_text

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_BREAKS = {"softbreak": " ", "hardbreak": "\n"}
_LITERAL = {"fence", "code_block"}


def paragraphs(markdown: str) -> list[str]:
    """The blocks of *markdown* in order, each as one text; line breaks inside are kept."""
    tokens = _MARKDOWN.parse(markdown)
    return [text for text in _text_blocks(tokens) if text.strip()]


def _text_blocks(tokens: Sequence[Token]) -> Iterator[str]:
    """One text per paragraph, heading, list item or table row."""
    lists = ListMarkers()
    row: list[str] | None = None
    for token in tokens:
        lists.follow(token)
        if token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            yield catalog_text("article", "cell").join(row or ())
            row = None
        elif token.type == "inline":
            text = _inline_text(token.children or ())
            if row is None:
                yield lists.next_marker() + text
            else:
                row.append(text)
        elif token.type in _LITERAL:
            yield token.content.rstrip("\n")


class ListMarkers:
    """Position in nested lists, and the marker of the next paragraph."""

    def __init__(self) -> None:
        self.numbers: list[int | None] = []
        self.fresh = False

    def follow(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self.numbers.append(None)
            case "ordered_list_open":
                self.numbers.append(int(token.attrGet("start") or 1) - 1)
            case "bullet_list_close" | "ordered_list_close":
                self.numbers.pop()
            case "list_item_open":
                self.fresh = True
                number = self.numbers[-1]
                self.numbers[-1] = None if number is None else number + 1

    def next_marker(self) -> str:
        """The bullet or number, before an item's first paragraph only."""
        if not self.fresh or not self.numbers:
            return ""
        self.fresh = False
        number = self.numbers[-1]
        if number is None:
            return catalog_text("article", "bullet")
        return catalog_text("article", "ordered", number=number)


def _inline_text(children: Sequence[Token]) -> str:
    """The text of a line; a link keeps its address, unless its text is the address."""
    parts: list[str] = []
    links: list[tuple[str, int]] = []
    for token in children:
        if token.type == "link_open":
            links.append((str(token.attrGet("href") or ""), len(parts)))
        elif token.type == "link_close":
            address, begun = links.pop()
            parts.append(_link_suffix("".join(parts[begun:]), address))
        else:
            parts.append(_BREAKS.get(token.type) or _token_text(token))
    return "".join(parts).strip()


def _token_text(token: Token) -> str:
    """The text of a token: raw HTML is dropped, a picture leaves its description."""
    return "" if token.type == "html_inline" else token.content


def _link_suffix(text: str, address: str) -> str:
    if not address.startswith(("http://", "https://")) or text == address:
        return ""
    return f" ({address})"
