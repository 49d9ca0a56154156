"""The kind of an uploaded file by its content: an allowed one, checked whole, or a refusal."""

import re
from pathlib import Path

from consumers.uploads.file_checks import compound, packages, pdf, pictures
from consumers.uploads.file_checks.errors import FileRefused

_MARKUP = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:\?xml|!doctype|!--|html|svg|script)", re.I)
_KNOWN_BUT_REFUSED = {
    b"MZ": "program",
    b"\x7fELF": "program",
    b"#!": "program",
    b"Rar!": "archive",
    b"7z\xbc\xaf": "archive",
    b"\x1f\x8b": "archive",
    b"{\\rtf": "rich_text",
}


def check_content(content: bytes, target: Path) -> str:
    """The ending that the file gets; a picture is drawn anew to *target*. Raises FileRefused."""
    if not content:
        raise FileRefused("empty")
    if ending := pictures.picture_ending(content):
        pictures.redraw(content, ending, target)
        return ending
    if pdf.is_pdf(content):
        pdf.check_pdf(content)
        return ".pdf"
    if pdf.opens_as_pdf(content):
        raise FileRefused("pdf_in_front")
    if packages.is_package(content):
        return packages.check_package(content)
    if compound.is_compound(content):
        return compound.check_compound(content)
    raise FileRefused(_refusal(content))


def _refusal(content: bytes) -> str:
    if _MARKUP.match(content[:1024]):
        return "vector_picture" if b"<svg" in content[:4096].lower() else "web_page"
    found = (code for start, code in _KNOWN_BUT_REFUSED.items() if content.startswith(start))
    return next(found, "not_known")
