"""The files of a report, and the versions of the programs that make them."""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version

from consumers.periodic_reports.contents.document import Document
from consumers.periodic_reports.rendering.pdf import render_pdf
from consumers.periodic_reports.rendering.word import render_word
from consumers.periodic_reports.rendering.workbook import render_workbook
from consumers.progress import report_progress

_RENDERERS: Mapping[str, Callable[[Document], bytes]] = {
    "bao-cao.docx": render_word,
    "bao-cao.pdf": render_pdf,
    "bao-cao.xlsx": render_workbook,
}
_PROGRAMS = ("loa", "python-docx", "typst", "xlsxwriter")


def render_files(document: Document) -> Iterator[tuple[str, bytes]]:
    """Each file by its name; the same document gives the same bytes with the same programs."""
    for done, (name, render) in enumerate(_RENDERERS.items(), start=1):
        yield name, render(document)
        report_progress("files", done, len(_RENDERERS))


def program_versions() -> dict[str, str]:
    return {name: version(name) for name in _PROGRAMS}
