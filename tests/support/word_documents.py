"""Word documents made in a test: by python-docx, or by editing the XML of one of its own."""

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from functools import cache

from docx import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn

MAIN = "word/document.xml"
_MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"
_SPACES = f'{nsdecls("w", "r", "a", "wp")} xmlns:m="{_MATH}"'
Edit = Callable[[bytes], bytes]


def saved(document: Document) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


@cache
def plain_document() -> bytes:
    """python-docx's own, without its styles of tables: nearly all that a reader has to parse."""
    document = Document()
    styles = document.styles.element
    for style in styles.findall(qn("w:style")):
        if style.get(qn("w:type")) == "table":
            styles.remove(style)
    return saved(document)


def with_body(*elements: str, numbering: str = "") -> bytes:
    """A document of these elements of WordprocessingML, with more lists defined."""
    document = Document(io.BytesIO(plain_document()))
    body = document.element.body
    for element in elements:
        body.insert(len(body) - 1, xml(element))
    if numbering:
        add_numbering(document, numbering)
    return saved(document)


def xml(element: str):
    """An element, its namespaces declared."""
    name = re.match(r"<[\w:]+", element)[0]
    return parse_xml(f"{name} {_SPACES}{element[len(name) :]}")


def add_numbering(document: Document, levels: str) -> None:
    """Define list 90 with *levels*: `form text start`, one a line."""
    root = document.part.numbering_part.element
    defined = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="{start}"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
        for at, (form, text, start) in enumerate(line.split("|") for line in levels.split("\n"))
    )
    abstract = f'<w:abstractNum w:abstractNumId="90">{defined}</w:abstractNum>'
    root.find(qn("w:num")).addprevious(xml(abstract))
    root.append(xml('<w:num w:numId="90"><w:abstractNumId w:val="90"/></w:num>'))


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(runs)}</w:p>"


def item(text: str, level: int = 0) -> str:
    """A paragraph of list 90."""
    number = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="90"/></w:numPr>'
    return paragraph(run(text), properties=number)


def repacked(
    data: bytes,
    edits: Mapping[str, Edit] | None = None,
    added: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """The same package with some parts changed and some added."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(target, "w", compression) as package,
    ):
        for name in source.namelist():
            edit = (edits or {}).get(name, lambda part: part)
            package.writestr(name, edit(source.read(name)))
        for name, part in (added or {}).items():
            package.writestr(name, part)
    return target.getvalue()
