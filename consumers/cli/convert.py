"""`loa convert`: a Word document as the Markdown of an event's `body`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.output import Json, explain_errors, page, print_errors, print_json
from producers.output import EXIT_INVALID
from producers.word import ConvertedDocument, convert_document, loss_texts
from producers.word.limits import FILE_MAX

File = Annotated[str, typer.Argument(help="A Word document (.docx); - reads the input.")]


@page(
    ConvertedDocument,
    {0: "converted", EXIT_INVALID: "not a Word document, damaged, protected or too large"},
    ("loa convert thong-bao.docx > body.md", "loa convert thong-bao.docx --json"),
    on_bus=False,
)
def convert(file: File, as_json: Json = False) -> None:
    """Convert a Word document to Markdown, and say what it loses.

    Markdown has no words for underlines, merged cells or pictures: each kind is counted on stderr.
    """
    with explain_errors():
        document = convert_document(file, _read(file))
    print_errors(loss_texts(file, document))
    if as_json:
        print_json(document)
    else:
        typer.echo(document.markdown, nl=False)


def _read(file: str) -> bytes:
    """The file, or as much as shows that it is too large."""
    if file == "-":
        return sys.stdin.buffer.read(FILE_MAX + 1)
    with Path(file).open("rb") as stream:
        return stream.read(FILE_MAX + 1)
