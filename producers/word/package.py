"""The ZIP package of a `.docx`: its XML parts, within limits, and nothing else of it."""

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from xml.parsers import expat

from lxml import etree

from producers.word.errors import DocumentRefused
from producers.word.limits import (
    DEPTH_MAX,
    FILE_MAX,
    FILE_MAX_MB,
    PARTS_MAX,
    UNPACKED_MAX,
    UNPACKED_MAX_MB,
)

_XML = (".xml", ".rels")
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Begins files of Word 97 to 2003, and packages that are encrypted."""
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
_ENCRYPTED_FLAG = 0x1
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The limit of the format; others unpack without a bound."""
Element: TypeAlias = etree._Element
Parts = dict[str, Element]


def read_parts(data: bytes) -> Parts:
    """The XML parts of a package by name. Raises DocumentRefused."""
    if len(data) > FILE_MAX:
        raise DocumentRefused("too_large", max=FILE_MAX_MB)
    if data.startswith(_COMPOUND_FILE):
        raise DocumentRefused("encrypted" if _ENCRYPTED_STREAM in data else "old_format")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            _check_entries(package.infolist())
            return {
                entry.filename: _parse(entry.filename, package.read(entry))
                for entry in package.infolist()
                if entry.filename.endswith(_XML)
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as broken:
        raise DocumentRefused("not_docx") from broken


def write_parts(parts: Mapping[str, Element]) -> bytes:
    """A package of these parts alone, as UTF-8."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as package:
        for name, root in parts.items():
            package.writestr(name, etree.tostring(root, encoding="UTF-8", xml_declaration=True))
    return target.getvalue()


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    """Check numbers and sizes as the package states them; unpacking stops at these."""
    if len(entries) > PARTS_MAX:
        raise DocumentRefused("too_many_parts", max=PARTS_MAX)
    if any(entry.compress_type not in _COMPRESSIONS for entry in entries):
        raise DocumentRefused("not_docx")
    if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
        raise DocumentRefused("encrypted")
    sizes = (entry.file_size for entry in entries if entry.filename.endswith(_XML))
    if sum(sizes) > UNPACKED_MAX:
        raise DocumentRefused("unpacks_too_large", max=UNPACKED_MAX_MB)


def _parse(name: str, text: bytes) -> Element:
    """One part. Raises DocumentRefused."""
    try:
        _Scan(name).run(text)
        parser = etree.XMLParser(resolve_entities=False, remove_comments=True, remove_pis=True)
        return etree.fromstring(text, parser)
    except (expat.ExpatError, etree.XMLSyntaxError) as broken:
        raise DocumentRefused("broken_part", part=name) from broken


@dataclass(slots=True)
class _Scan:
    """A first reading, which ends at a declaration of entities before any is expanded."""

    part: str
    depth: int = 0

    def run(self, text: bytes) -> None:
        """Raises DocumentRefused, ExpatError."""
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.Parse(text, True)

    def _on_doctype(self, *_: object) -> None:
        raise DocumentRefused("declares_entities", part=self.part)

    def _on_start(self, *_: object) -> None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise DocumentRefused("too_nested", part=self.part, max=DEPTH_MAX)

    def _on_end(self, _name: str) -> None:
        self.depth -= 1


def by_root(parts: Mapping[str, Element], *names: str) -> Iterable[Element]:
    """The roots of the parts whose root element has one of these names, in any namespace."""
    return [root for root in parts.values() if etree.QName(root).localname in names]
