"""Bar charts as SVG: black on white, each bar with its value, so that a print in grey is enough."""

from collections.abc import Iterator
from decimal import Decimal
from xml.sax.saxutils import escape

from consumers.periodic_reports.contents.document import Chart

_WIDTH, _HEIGHT, _TOP, _BOTTOM = 640, 260, 24, 30
_FONT = 'font-family="Liberation Serif" font-size="11" text-anchor="middle"'
_BAR = 'fill="#404040"'
_GAP = 'fill="none" stroke="#404040" stroke-dasharray="3 3"'


def draw(chart: Chart) -> str:
    """The chart; a bar without a value is a dashed outline."""
    shapes = "".join(_bars(chart))
    axis = f'<path d="M0 {_HEIGHT - _BOTTOM}H{_WIDTH}" stroke="#000" fill="none"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}">{shapes}{axis}</svg>'
    )


def _bars(chart: Chart) -> Iterator[str]:
    step = Decimal(_WIDTH) / max(len(chart.labels), 1)
    highest = max((value for value in chart.values if value), default=Decimal(1))
    for number, (label, value) in enumerate(zip(chart.labels, chart.values, strict=True)):
        middle, room = step * number + step / 2, _HEIGHT - _TOP - _BOTTOM
        height = room * (Decimal(1) / 4 if value is None else value / highest)
        top = _HEIGHT - _BOTTOM - height
        left, width = middle - step * 3 / 10, step * 6 / 10
        style = _GAP if value is None else _BAR
        box = f'x="{left:.2f}" y="{top:.2f}" width="{width:.2f}" height="{height:.2f}"'
        yield f"<rect {box} {style}/>"
        shown = "?" if value is None else chart.value_texts[number]
        yield f'<text x="{middle:.2f}" y="{top - 5:.2f}" {_FONT}>{escape(shown)}</text>'
        yield f'<text x="{middle:.2f}" y="{_HEIGHT - 12}" {_FONT}>{escape(label)}</text>'
