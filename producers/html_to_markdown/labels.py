"""Labels of list items that Markdown cannot number, such as `a)` and `Điều 1.`: kept as words.

HTML says only that an item is numbered. A reader of documents that knows the label writes it at
the beginning of the item, marked; `read_labels` turns the marks into a list's first number, or
into words. Law texts refer to items by their label: a lost letter would change what a text says.
"""

import re

from lxml import html
from lxml.html import HtmlElement

_BEGIN, _END = "\ue000", "\ue001"
LABEL_MARKS = str.maketrans("", "", _BEGIN + _END)
"""Removes the marks from a text that is not a label."""
_LABEL = re.compile(f"{_BEGIN}([^{_END}]*){_END} ?")
_NUMBER = re.compile(r"(\d{1,8})[.)]")


def mark_label(label: str) -> str:
    """A label as `read_labels` finds it."""
    return f"{_BEGIN}{label}{_END} "


def read_labels(root: HtmlElement) -> None:
    """Replace the marked labels in *root* by numbers of lists, or by words."""
    for node in list(root.iter("ol")):
        if any(map(_label, node)):
            _split(node)
    for node in root.iter():
        node.text = _LABEL.sub(r"\1 ", node.text) if node.text else node.text
        node.tail = _LABEL.sub(r"\1 ", node.tail) if node.tail else node.tail


def _split(node: HtmlElement) -> None:
    """Make a list of each run of consecutive numbers, and of all other labels between them."""
    parts: list[HtmlElement] = []
    last = None
    for item in list(node):
        number = _number(_label(item))
        if not parts or number != (last + 1 if last else None):
            parts.append(_part(number))
            node.addprevious(parts[-1])
        parts[-1].append(item)
        if number:
            item.text = _LABEL.sub("", item.text or "", count=1)
        last = number
    node.drop_tree()


def _part(number: int | None) -> HtmlElement:
    """A list that begins at *number*, or one whose labels are words."""
    return html.Element("ol", start=str(number)) if number else html.Element("ul")


def _label(item: HtmlElement) -> str:
    found = _LABEL.match(item.text or "")
    return found[1] if found else ""


def _number(label: str) -> int | None:
    """The number of a label that Markdown can write, None for others."""
    found = _NUMBER.fullmatch(label)
    return int(found[1]) or None if found else None
