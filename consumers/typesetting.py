"""PDFs for print (PDF/UA-1), set by typst with the fonts that ship: the same bytes each time."""

from functools import cache
from typing import Literal, cast

import typst

from design.fonts import FONT_FOLDER

_NO_GLYPH = "could not be displayed with font"


def set_pdf(template: bytes, **inputs: str) -> bytes:
    """The PDF of a template, which reads *inputs* as data and never as markup.

    A character that no font has is shown as a box, which PDF/UA-1 forbids: such a file is tagged
    and no more.
    """
    try:
        return _compile(template, inputs, "ua-1")
    except typst.TypstError as error:
        if _NO_GLYPH not in str(error):
            raise
        return _compile(template, inputs)


def _compile(
    template: bytes, inputs: dict[str, str], standard: Literal["ua-1"] | None = None
) -> bytes:
    compiler = typst.Compiler(template, font_paths=fonts(), sys_inputs=inputs)
    return cast("bytes", compiler.compile(format="pdf", pdf_standards=standard))


@cache
def fonts() -> typst.Fonts:
    """The fonts that Loa ships; those of the machine are not used."""
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONT_FOLDER)]
    )
