"""HTML of Word's clipboard, and of other editors, made the elements that it only draws.

Word copies a list as paragraphs that look like items, and says emphasis and hiding by styles. The
cleaner leaves of each style the words of `traits`; `read_clipboard` turns them into elements.
"""

import re
from dataclasses import dataclass, field

from lxml import html
from lxml.html import HtmlElement

from producers.html_to_markdown.labels import mark_label
from producers.html_to_markdown.losses import Loss, Losses

_TRAITS = (
    ("marker", re.compile(r"mso-list:\s*ignore")),
    ("hidden", re.compile(r"display:\s*none|mso-hide:\s*all|visibility:\s*hidden")),
    ("remark", re.compile(r"mso-element:\s*comment")),
    ("bold", re.compile(r"font-weight:\s*(?:bold|[6-9]00)")),
    ("plain", re.compile(r"font-weight:\s*(?:normal|400)")),
    ("italic", re.compile(r"font-style:\s*italic")),
)
_LEVEL = re.compile(r"mso-list:\s*\w+\s+level(\d)")
_ALIGNMENT = re.compile(r"text-align:\s*(left|right|center)")
_WORD_CLASS = re.compile(r"Mso(ListParagraph|Title|Quote|IntenseQuote)")
_REMARK = re.compile(r"#_mso(?:com|annot)")
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_EMPHASIS = {"bold": "strong", "italic": "em"}


def traits(style: str) -> str:
    """Traits of a style, as words."""
    lowered = style.lower()
    words = [name for name, pattern in _TRAITS if pattern.search(lowered)]
    words += [f"level{found}" for found in _LEVEL.findall(lowered)[:1]]
    return " ".join((*words, *_ALIGNMENT.findall(lowered)[:1]))


def word_class(name: str) -> str | None:
    """Kind of paragraph that Word's class names; None for another class."""
    found = _WORD_CLASS.match(name)
    return found[1] if found else None


def alignment(cell: HtmlElement) -> str | None:
    """The alignment of a cell, by its style or by its attribute."""
    words = (*_traits(cell), (cell.get("align") or "").lower())
    return next((word for word in words if word in ("left", "right", "center")), None)


def read_clipboard(root: HtmlElement, losses: Losses) -> None:
    """Change *root* in place: hidden words and remarks out, emphasis and lists in."""
    for node in list(root.iterdescendants()):
        if _is_remark(node) or "hidden" in _traits(node):
            losses[Loss.HIDDEN_TEXT] += not _is_remark(node) and bool(node.text_content().strip())
            node.drop_tree()
    for node in list(root.iterdescendants()):
        _emphasise(node)
        _use_class(node)
    for parent in [root, *root.iter("div", "td", "th", "li", "blockquote")]:
        _Lists(parent).build()
    for marker in _markers(root):
        if _is_bullet(marker.text_content().strip()):
            marker.drop_tree()
        else:
            marker.drop_tag()


def _traits(node: HtmlElement) -> list[str]:
    return (node.get("style") or "").split()


def _is_remark(node: HtmlElement) -> bool:
    return "remark" in _traits(node) or bool(_REMARK.match(node.get("href") or ""))


def _emphasise(node: HtmlElement) -> None:
    """Emphasis that a style says, as an element; bold that a style takes back, as none."""
    words = _traits(node)
    if node.tag in ("b", "strong") and "plain" in words:
        node.tag = "span"
    if node.tag == "span" and "marker" not in words:
        for name in (one for one in words if one in _EMPHASIS):
            _wrap_content(node, _EMPHASIS[name])


def _wrap_content(node: HtmlElement, tag: str) -> None:
    inner = html.Element(tag)
    inner.text, node.text = node.text, None
    inner.extend(list(node))
    node.append(inner)


def _use_class(node: HtmlElement) -> None:
    match node.get("class"):
        case "Title":
            node.tag = "h1"
        case "Quote" | "IntenseQuote":
            _wrap_content(node, "p")
            node.tag = "blockquote"


def _markers(node: HtmlElement) -> list[HtmlElement]:
    return [one for one in node.iterdescendants("span") if "marker" in _traits(one)]


@dataclass(slots=True)
class _Lists:
    """Makes lists of the paragraphs of one parent that Word draws as items."""

    parent: HtmlElement
    open: list[tuple[int, HtmlElement]] = field(default_factory=list)
    """The lists that the last item lies in, each with its level."""

    def build(self) -> None:
        for node in list(self.parent):
            level = _level(node)
            if level:
                self._add_item(node, level)
            elif self.open and node.get("class") == "ListParagraph" and node.tag == "p":
                self.open[-1][1][-1].append(node)
            elif node.tag not in ("br", "span") or node.text_content().strip():
                self.open.clear()

    def _add_item(self, node: HtmlElement, level: int) -> None:
        label = _take_label(node)
        tag = "ul" if _is_bullet(label) else "ol"
        while self.open and self.open[-1][0] > level:
            self.open.pop()
        if self.open and self.open[-1][0] == level and self.open[-1][1].tag != tag:
            self.open.pop()
        if not self.open or self.open[-1][0] < level:
            self._open_list(node, level, tag)
        node.tag, node.tail = "li", None
        if tag == "ol":
            node.text = mark_label(label) + (node.text or "").lstrip()
        self.open[-1][1].append(node)

    def _open_list(self, node: HtmlElement, level: int, tag: str) -> None:
        """A list in the last item of the one around it, or in the place of *node*."""
        new = html.Element(tag)
        if self.open:
            self.open[-1][1][-1].append(new)
        else:
            node.addprevious(new)
        self.open.append((level, new))


def _level(node: HtmlElement) -> int:
    """The level of a paragraph that is an item; 0 for others. A numbered heading stays one."""
    if node.tag in _HEADINGS:
        return 0
    found = (word.removeprefix("level") for word in _traits(node) if word.startswith("level"))
    return int(next(found, 0))


def _take_label(node: HtmlElement) -> str:
    """The words of an item's marks, which leave the item."""
    labels = []
    for marker in _markers(node):
        labels.append(marker.text_content())
        marker.drop_tree()
    return " ".join("".join(labels).split())


def _is_bullet(label: str) -> bool:
    """Fonts of symbols draw bullets by single letters: `o`, `v`, `§`."""
    return len(label) <= 1 and not label.isdigit()
