"""Routes of the visual editor's own requests."""

from collections.abc import Sequence

from producers.desk.editor import conversion, keeping, word_import
from producers.desk.visit import OWN, DeskRoute

TEXT_BYTES = 6 << 20
"""Limit of a form with a text: Word copies much beside the words, and a form triples its signs."""
_ITEM, _WRITE = "/soan/{content_id}", "write"

EDITOR_ROUTES: Sequence[DeskRoute] = (
    DeskRoute("POST", "/soan/dan", OWN, conversion.paste, form_bytes=TEXT_BYTES),
    DeskRoute("POST", "/soan/doi", OWN, conversion.turn, form_bytes=TEXT_BYTES),
    DeskRoute("POST", f"{_ITEM}/giu-tam", _WRITE, keeping.keep, form_bytes=TEXT_BYTES),
    DeskRoute("POST", f"{_ITEM}/co-mat", _WRITE, keeping.be_present),
    DeskRoute("POST", f"{_ITEM}/bo-giu-tam", _WRITE, keeping.drop),
    DeskRoute("POST", f"{_ITEM}/kiem-tra", _WRITE, keeping.check, form_bytes=TEXT_BYTES),
    DeskRoute(
        *("POST", f"{_ITEM}/docx", _WRITE, word_import.add_document),
        form_bytes=TEXT_BYTES,
        takes_file=True,
    ),
)
