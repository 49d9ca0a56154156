"""A report as a tagged PDF (PDF/UA-1): typst sets it, with the fonts that ship."""

import dataclasses
import json
from pathlib import Path
from typing import Any, cast

import typst

from consumers.periodic_reports.contents.charts import draw
from consumers.periodic_reports.contents.document import Block, Chart, Document, Table
from consumers.typesetting import fonts, set_pdf

_TEMPLATE = Path(__file__).with_name("report.typ")


def render_pdf(document: Document) -> bytes:
    return set_pdf(_TEMPLATE.read_bytes(), report=_encode(document))


def render_picture(chart: Chart, ppi: float = 200) -> bytes:
    """The chart as PNG, for programs that draw no SVG; what lies under it shows through."""
    source = (
        "#set page(width: auto, height: auto, margin: 0pt, fill: none)\n"
        '#image(bytes(sys.inputs.svg), format: "svg", width: 16cm)'
    )
    compiler = typst.Compiler(source.encode(), font_paths=fonts(), sys_inputs={"svg": draw(chart)})
    return cast("bytes", compiler.compile(format="png", ppi=ppi))  # one page


def _encode(document: Document) -> str:
    plain = dataclasses.asdict(document)
    for name in ("blocks", "annexes"):
        plain[name] = [_plain(block) for block in getattr(document, name)]
    return json.dumps(plain, default=str)


def _plain(block: Block) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if isinstance(block, Chart):
        more = {"svg": draw(block)}
    elif isinstance(block, Table):
        more = {"widths": block.widths()}
    return {"type": type(block).__name__, **dataclasses.asdict(block), **more}
