"""The inside of a paragraph: words, emphasis, links, pictures, line breaks."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lxml.html import HtmlElement

from producers.html_to_markdown.cleaner import BLOCKS
from producers.html_to_markdown.emphasis import emphasise, link, resolve
from producers.html_to_markdown.escapes import escape, escape_line_start, escape_url, plain
from producers.html_to_markdown.losses import Loss, Losses

BREAK = "\\\n"
_BREAK_WITH_BLANKS = re.compile(r"[ \t]*\\\n[ \t]*")
_BLANKS = " \n\t\u00a0"
_BACKTICKS = re.compile("`+")
_SUPERSCRIPT = str.maketrans("0123456789+-n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ")
_SUBSCRIPT = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")
_NOTE_MARK = re.compile(r"\[\d+\]")
_STRUCK = {"u": Loss.UNDERLINE, "s": Loss.STRIKETHROUGH, "strike": Loss.STRIKETHROUGH}
_NOTE_BACK_LINK = re.compile("#.*note-ref-")


@dataclass(frozen=True, slots=True)
class InlineWriter:
    """Writes the inside of paragraphs, and counts what they lose."""

    losses: Losses = field(default_factory=Losses)

    def paragraph(self, node: HtmlElement) -> str:
        """All words of *node* as one paragraph; those of blocks within it, too."""
        return finish(self._words(node))

    def _words(self, node: HtmlElement) -> str:
        return escape(plain(node.text)) + "".join(
            self.element(child) + escape(plain(child.tail)) for child in node
        )

    def element(self, node: HtmlElement) -> str:
        """An inline element, not what follows it."""
        if node.tag in BLOCKS:
            return self._words(node) + " "
        write = _WRITERS.get(str(node.tag), InlineWriter._words)
        return write(self, node)

    def _strong(self, node: HtmlElement) -> str:
        return emphasise(self._words(node), "**")

    def _emphasis(self, node: HtmlElement) -> str:
        return emphasise(self._words(node), "*")

    def _struck(self, node: HtmlElement) -> str:
        words = self._words(node)
        is_link = node.tag == "u" and _is_link(node)
        self.losses[_STRUCK[str(node.tag)]] += bool(words.strip()) and not is_link
        return words

    def _break(self, _node: HtmlElement) -> str:
        return BREAK

    def _code(self, node: HtmlElement) -> str:
        text = plain(node.text_content())
        ticks = "`" * (max(map(len, _BACKTICKS.findall(text)), default=0) + 1)
        is_padded = text.startswith(" ") and text.endswith(" ") and bool(text.strip())
        pad = " " if is_padded or text.startswith("`") or text.endswith("`") else ""
        return f"{ticks}{pad}{text}{pad}{ticks}" if text else ""

    def _image(self, node: HtmlElement) -> str:
        address = node.get("src")
        if not address:
            self.losses[Loss.IMAGE] += 1
            return ""
        return f"![{escape(plain(node.get('alt')))}]({escape_url(address)})"

    def _link(self, node: HtmlElement) -> str:
        address, words = node.get("href") or "", self._words(node)
        if _NOTE_BACK_LINK.match(address):
            return ""
        if address and not address.startswith("#") and words.strip():
            return link(words, escape_url(address))
        is_note = _NOTE_MARK.fullmatch(node.text_content().strip())
        self.losses[Loss.LINK] += bool(words.strip()) and not is_note
        return words

    def _raised(self, node: HtmlElement) -> str:
        table = _SUPERSCRIPT if node.tag == "sup" else _SUBSCRIPT
        text = node.text_content().strip()
        if text and all(ord(sign) in table for sign in text):
            return text.translate(table)
        self.losses[Loss.RAISED_TEXT] += bool(text) and not _NOTE_MARK.fullmatch(text)
        return self._words(node)


_WRITERS: Mapping[str, Callable[[InlineWriter, HtmlElement], str]] = {
    "strong": InlineWriter._strong,
    "b": InlineWriter._strong,
    "em": InlineWriter._emphasis,
    "i": InlineWriter._emphasis,
    "u": InlineWriter._struck,
    "s": InlineWriter._struck,
    "strike": InlineWriter._struck,
    "br": InlineWriter._break,
    "code": InlineWriter._code,
    "img": InlineWriter._image,
    "a": InlineWriter._link,
    "sup": InlineWriter._raised,
    "sub": InlineWriter._raised,
}


def _is_link(node: HtmlElement) -> bool:
    """Whether *node* is the underline of a link: within it, or all around it."""
    links = node.iter("a")
    return (
        any(True for _ in node.iterancestors("a"))
        or node.text_content().strip() == "".join(link.text_content() for link in links).strip()
    )


def finish(text: str) -> str:
    """A whole paragraph: emphasis resolved, no breaks at its ends, beginnings of lines escaped."""
    text = _BREAK_WITH_BLANKS.sub(lambda _: BREAK, resolve(text)).strip(_BLANKS)
    while text.startswith(BREAK):
        text = text.removeprefix(BREAK).lstrip(_BLANKS)
    lines = without_break(text).split("\n")
    return unicodedata.normalize("NFC", "\n".join(map(escape_line_start, lines)))


def without_break(text: str) -> str:
    """*text* without hard line breaks at its end: a backslash that escapes no sign."""
    while (len(text) - len(text.rstrip("\\"))) % 2:
        text = text[:-1].rstrip(_BLANKS)
    return text
