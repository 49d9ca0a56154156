"""Labels of list items that Markdown cannot number, such as `a)` and `Điều 1.`: kept as words.

HTML says only that an item is numbered. A reader of documents that knows the label writes it at
the beginning of the item, marked; `read_labels` turns the marks into a list's first number, or
into words. Law texts refer to items by their label: a lost letter would change what a text says.
"""

import re
from collections.abc import Sequence

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
    for node in root.iter("ol"):
        labels = [_label(item) for item in node if item.tag == "li"]
        if start := _first_number(labels):
            node.set("start", str(start))
            for item in node:
                item.text = _LABEL.sub("", item.text or "", count=1)
        elif any(labels):
            node.tag = "ul"
    for node in root.iter():
        node.text = _LABEL.sub(r"\1 ", node.text) if node.text else node.text
        node.tail = _LABEL.sub(r"\1 ", node.tail) if node.tail else node.tail


def _label(item: HtmlElement) -> str:
    found = _LABEL.match(item.text or "")
    return found[1] if found else ""


def _first_number(labels: Sequence[str]) -> int:
    """The first of consecutive numbers, 0 for all other labels."""
    found = [_NUMBER.fullmatch(label) for label in labels]
    numbers = [int(number[1]) for number in found if number]
    is_counted = numbers == list(range(numbers[0], numbers[0] + len(labels))) if numbers else False
    return numbers[0] if is_counted else 0
