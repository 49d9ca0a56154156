"""Lists: nested by indentation, tight where Markdown allows it."""

import re
from collections.abc import Callable, Iterator, Sequence

from lxml import html
from lxml.html import HtmlElement

WriteBlocks = Callable[[HtmlElement], list[str]]
_LISTS = ("ul", "ol")
_AT_ONCE = re.compile(r"(?:[-*+]|1[.)]) +\S")
"""How a list begins that may follow a paragraph without a blank line."""
_RULE = re.compile(r"-(?: -)+(?:\n|$)")
"""Marks of empty items, which a further one makes a rule."""


def write_list(node: HtmlElement, write_blocks: WriteBlocks) -> str:
    """A list as Markdown, empty without items."""
    items = [write_blocks(item) for item in _items(node)]
    gap = "\n\n" if any(map(_is_loose, items)) else "\n"
    bullet = "+ " if any(_RULE.match(blocks[0]) for blocks in items if blocks) else "- "
    marks = _marks(node, bullet)
    return gap.join(_indent(next(marks), gap.join(blocks)) for blocks in items)


def _items(node: HtmlElement) -> list[HtmlElement]:
    """The items; a list straight within a list belongs to the item before it."""
    items: list[HtmlElement] = []
    for child in list(node):
        if child.tag == "li":
            items.append(child)
        elif items and child.tag in _LISTS:
            items[-1].append(child)
        else:
            items.append(html.Element("li"))
            items[-1].append(child)
    return items


def _is_loose(blocks: Sequence[str]) -> bool:
    """Whether the blocks of an item need blank lines between them."""
    return not all(map(_AT_ONCE.match, blocks[1:]))


def _marks(node: HtmlElement, bullet: str) -> Iterator[str]:
    """The marks of the items; a list straight after one of its kind has other marks."""
    is_second = _lists_before(node) % 2 == 1
    if node.tag == "ul":
        while True:
            yield "* " if is_second else bullet
    start = node.get("start") or ""
    number = int(start) if start.isdecimal() and len(start) < 9 else 1
    while True:
        yield f"{number}) " if is_second else f"{number}. "
        number += 1


def _lists_before(node: HtmlElement) -> int:
    count = 0
    before = node.getprevious()
    while before is not None and before.tag == node.tag and not (before.tail or "").strip():
        count += 1
        before = before.getprevious()
    return count


def _indent(mark: str, item: str) -> str:
    first, *others = item.split("\n")
    pad = " " * len(mark)
    return "\n".join(
        (f"{mark}{first}".rstrip(" "), *(pad + line if line else "" for line in others))
    )
