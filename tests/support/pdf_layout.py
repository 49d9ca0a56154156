"""Where a PDF has its letters and lines, in millimetres from the upper left corner of the page."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pypdf
from pypdf.generic import ContentStream

_MM = 25.4 / 72
_PAINT = {b"S", b"f", b"f*", b"B"}


class Text(NamedTuple):
    """A piece of a line of text; `y` is its baseline."""

    page: int
    x: float
    y: float
    size_pt: float
    font: str
    text: str

    @property
    def is_bold(self) -> bool:
        return "Bold" in self.font

    @property
    def is_italic(self) -> bool:
        return "Italic" in self.font


class Shape(NamedTuple):
    """A drawn shape: its extent, the grey of its filling, and when it was drawn on the page."""

    number: int
    left: float
    top: float
    right: float
    bottom: float
    grey: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


def texts(pdf: pypdf.PdfReader) -> list[Text]:
    """All pieces of text, page by page, as they are drawn."""
    return [text for number, page in enumerate(pdf.pages, 1) for text in _texts(number, page)]


def _texts(number: int, page: pypdf.PageObject) -> list[Text]:
    found, height = list[Text](), float(page.mediabox.height)

    def note(text: str, cm: Any, tm: Any, font: Any, size: float) -> None:
        if text.strip() and font:
            x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            y = height - (tm[4] * cm[1] + tm[5] * cm[3] + cm[5])
            name = str(font["/BaseFont"])
            found.append(Text(number, x * _MM, y * _MM, size * tm[0], name, text.strip()))

    page.extract_text(visitor_text=note)
    return found


def shapes(page: pypdf.PageObject) -> Iterator[Shape]:
    """Lines and curves as they are drawn, in order."""
    content = ContentStream(page.get_contents(), page.pdf)
    height, points, grey = float(page.mediabox.height), list[tuple[float, float]](), 0.0
    for number, (operands, operator) in enumerate(content.operations):
        if operator in (b"rg", b"RG"):
            grey = float(operands[0])
        elif operator in (b"m", b"l", b"c"):
            values = [float(one) for one in operands]
            points += zip(values[::2], values[1::2], strict=True)
        elif operator in _PAINT and points:
            across, down = zip(*((x * _MM, (height - y) * _MM) for x, y in points), strict=True)
            yield Shape(number, min(across), min(down), max(across), max(down), grey)
            points = []
        elif operator == b"n":
            points = []
