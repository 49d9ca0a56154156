"""Office documents that are ZIP packages: bounded, whole, without macros, programs and links out.

Links that a person follows stay; what a program would load by itself is refused.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from consumers.uploads.file_checks.errors import FileRefused
from consumers.uploads.file_checks.limits import (
    NESTED_PACKAGES_MAX,
    PARTS_MAX,
    UNPACKED_MAX,
    UNPACKED_MAX_MB,
)
from consumers.uploads.file_checks.xml_parts import Attributes, scan_xml

_START, _END = b"PK\x03\x04", b"PK\x05\x06"
_END_BYTES = 22
_ENCRYPTED_FLAG = 0x1
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError)
_PROGRAMS = (b"MZ", b"\x7fELF", b"\xd0\xcf\x11\xe0", b"#!", b"\xca\xfe\xba\xbe")
"""First bytes of programs, and of compound files, which hold objects of other programs."""
_XML = (".xml", ".rels", ".vml")
_CONTENT_TYPES, _MIMETYPE, _MANIFEST = "[Content_Types].xml", "mimetype", "META-INF/manifest.xml"
_OOXML_KINDS = {
    "wordprocessingml.document.main+xml": ".docx",
    "spreadsheetml.sheet.main+xml": ".xlsx",
    "presentationml.presentation.main+xml": ".pptx",
}
_ODF_KINDS = {
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
}
_MACRO_TYPES = ("macroenabled", "vbaproject", "vbadata", "macrosheet", "activex", "oleobject")
_MACRO_LINKS = re.compile(
    "/(?:vbaProject|wordVbaData|xlMacrosheet|xlIntlMacrosheet|control|activeXControlBinary)$"
)
_LOADED_LINKS = re.compile("/(?:externalLink|externalLinkPath|subDocument|frame|oleObject)$")
_TEMPLATE_LINK = "/attachedTemplate"
_LOCAL_FILE = re.compile(r"file:///[A-Za-z]:", re.I)
"""A template on the writer's own disk: nothing is fetched from elsewhere."""
_FOLLOWED = re.compile(r"(?:https?://|mailto:|tel:|#)", re.I)
_OUTSIDE = re.compile(r"(?:[a-z][a-z0-9+.-]*:|//|\\\\)", re.I)
_FIELDS = re.compile(r"\bDDE(?:AUTO)?\b|\bINCLUDE(?:TEXT|PICTURE)\b[^\w]*(?:\w+:|\\\\|//)", re.I)
_ODF_MACROS = ("Basic/", "Scripts/")
_ODF_REFUSED = {"event-listener": "package_macro", "object-ole": "package_object"}


def is_package(content: bytes) -> bool:
    return content.startswith(_START)


def check_package(content: bytes) -> str:
    """The ending of the document in the package. Raises FileRefused."""
    return _check(content, _Budget())


@dataclass
class _Budget:
    """The room that is left for unpacking, of a package and those inside it."""

    size: int = UNPACKED_MAX
    packages: int = NESTED_PACKAGES_MAX

    def spend(self, size: int) -> None:
        self.size -= size
        if self.size < 0:
            raise FileRefused("package_unpacks_too_large", max=UNPACKED_MAX_MB)


def _check(content: bytes, budget: _Budget) -> str:
    parts = _read_parts(content, budget)
    if _CONTENT_TYPES in parts:
        ending = _check_ooxml(parts)
    elif _MIMETYPE in parts:
        ending = _check_odf(parts)
    else:
        raise FileRefused("not_known")
    for part in parts.values():
        if part.startswith(_START):
            budget.packages -= 1
            if budget.packages < 0:
                raise FileRefused("package_object")
            _check(part, budget)
    return ending


def _read_parts(content: bytes, budget: _Budget) -> dict[str, bytes]:
    """All parts by name. Raises FileRefused."""
    tail = content[-_END_BYTES:]
    if not tail.startswith(_END) or tail[-2:] != b"\0\0":
        raise FileRefused("package_broken")  # something lies behind it
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            entries = [one for one in package.infolist() if not one.is_dir()]
            _check_entries(entries)
            budget.spend(sum(one.file_size for one in entries))
            parts = {one.filename: package.read(one) for one in entries}
    except _BROKEN as broken:
        raise FileRefused("package_broken") from broken
    if any(part.startswith(_PROGRAMS) for part in parts.values()):
        raise FileRefused("package_object")
    return parts


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    """Check what the package states of its parts; unpacking stops at these sizes."""
    names = [one.filename for one in entries]
    if len(entries) > PARTS_MAX or len(set(map(str.casefold, names))) < len(names):
        raise FileRefused("package_broken")
    if any(one.flag_bits & _ENCRYPTED_FLAG for one in entries):
        raise FileRefused("package_encrypted")
    is_plain = all(one.compress_type in _COMPRESSIONS for one in entries)
    if not is_plain or not all(map(_is_inside, names)):
        raise FileRefused("package_broken")


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        name.isprintable()
        and "\\" not in name
        and not path.is_absolute()
        and ".." not in path.parts
    )


def _check_ooxml(parts: Mapping[str, bytes]) -> str:
    types = list[str]()
    scan_xml(parts[_CONTENT_TYPES], lambda _, given: types.append(given.get("ContentType", "")))
    if any(word in one.casefold() for one in types for word in _MACRO_TYPES):
        raise FileRefused("package_macro")
    endings = {kind for one in types for main, kind in _OOXML_KINDS.items() if one.endswith(main)}
    if len(endings) != 1 or "_rels/.rels" not in parts:
        raise FileRefused("not_known")
    for name, part in parts.items():
        if name.endswith(".rels"):
            scan_xml(part, _check_link)
        elif name.endswith(_XML):
            _check_fields(part)
    return endings.pop()


def _check_link(element: str, given: Attributes) -> None:
    """A link is followed by a person, or leads to a part of the package."""
    if element != "Relationship":
        return
    kind, target = given.get("Type", ""), given.get("Target", "")
    if _MACRO_LINKS.search(kind):
        raise FileRefused("package_macro")
    if kind.endswith("/hyperlink"):
        is_fine = _FOLLOWED.match(target) or not _OUTSIDE.match(target)
    elif kind.endswith(_TEMPLATE_LINK):
        is_fine = _LOCAL_FILE.match(target) or given.get("TargetMode") != "External"
    else:
        is_outside = given.get("TargetMode") == "External" or _OUTSIDE.match(target)
        is_fine = not is_outside and not _LOADED_LINKS.search(kind)
    if not is_fine:
        raise FileRefused("package_link")


def _check_fields(part: bytes) -> None:
    """Refuse fields that load something by themselves, also where their words are split."""
    found = _Instructions()
    scan_xml(part, found.on_element, found.on_text)
    if _FIELDS.search("".join(found.words)):
        raise FileRefused("package_link")


@dataclass
class _Instructions:
    """The instructions of all fields of a part."""

    words: list[str] = field(default_factory=list)

    def on_element(self, element: str, given: Attributes) -> None:
        if element == "fldSimple":
            self.words.append(f" {given.get('instr', '')} ")
        elif element in ("ddeLink", "oleLink"):
            raise FileRefused("package_link")

    def on_text(self, element: str, words: str) -> None:
        if element == "instrText":
            self.words.append(words)


def _check_odf(parts: Mapping[str, bytes]) -> str:
    ending = _ODF_KINDS.get(parts[_MIMETYPE].decode("ascii", "replace").strip())
    if not ending or "content.xml" not in parts or _MANIFEST not in parts:
        raise FileRefused("not_known")
    if any(name.startswith(_ODF_MACROS) for name in parts):
        raise FileRefused("package_macro")
    for name, part in parts.items():
        if name.endswith((".xml", ".rdf")):
            scan_xml(part, _check_odf_element)
    return ending


def _check_odf_element(element: str, given: Attributes) -> None:
    if code := _ODF_REFUSED.get(element):
        raise FileRefused(code)
    if element == "encryption-data":
        raise FileRefused("package_encrypted")
    target = given.get("href", "")
    is_followed = element == "a" and _FOLLOWED.match(target)
    if element == "dde-source" or (_OUTSIDE.match(target) and not is_followed):
        raise FileRefused("package_link")
