"""Word and Excel files of 1997 to 2003 (compound files): only without macros and objects inside."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from consumers.uploads.file_checks.errors import FileRefused

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_BYTES, _ENTRY_BYTES, _LAST = 512, 128, 0xFFFFFFFA
"""The last number of a sector; higher ones have meanings of their own."""
_MINI_BYTES, _MINI_LIMIT = 64, 4096
_FIRST_FAT_COUNT = 109
_MACROS = {"macros", "vba", "_vba_project", "_vba_project_cur", "project", "projectwm"}
_OBJECTS = re.compile("_\\d{6,}|mbd[0-9a-f]{8}|\x01ole10native")
"""Names of objects of other programs; Word has a storage for them also where there are none."""
_ENCRYPTED = {"encryptedpackage", "encryptioninfo", "\x06dataspaces"}
_DDE = (b"DDEAUTO", "DDEAUTO".encode("utf-16-le"))
_SHEET, _SCRAMBLED, _END_RECORD, _EXTERNAL = 0x85, 0x2F, 0x0A, 0x01AE
_MACRO_SHEETS = {1, 6}


def is_compound(content: bytes) -> bool:
    return content.startswith(SIGNATURE)


def check_compound(content: bytes) -> str:
    """The ending of the document. Raises FileRefused."""
    try:
        file = _CompoundFile.open(content)
        names = {entry.name.casefold(): entry for entry in file.entries()}
        _check_names(names)
        if word := names.get("worddocument"):
            _check_word(file.read(word))
            return ".doc"
        if book := names.get("workbook") or names.get("book"):
            _check_workbook(file.read(book))
            return ".xls"
    except (struct.error, IndexError, UnicodeDecodeError) as broken:
        raise FileRefused("compound_broken") from broken
    raise FileRefused("compound_other")


def _check_names(names: dict[str, "_Entry"]) -> None:
    if _ENCRYPTED & names.keys():
        raise FileRefused("package_encrypted")
    if _MACROS & names.keys():
        raise FileRefused("package_macro")
    if any(map(_OBJECTS.fullmatch, names)):
        raise FileRefused("package_object")


def _check_word(stream: bytes) -> None:
    """Check the head of a Word text for encryption, and the text for fields that load something."""
    flags = struct.unpack_from("<H", stream, 10)[0]
    if flags & 0x0100:
        raise FileRefused("package_encrypted")
    if any(word in stream for word in _DDE):
        raise FileRefused("package_link")


def _check_workbook(stream: bytes) -> None:
    """The sheets that a workbook names, and whether it is encrypted."""
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        if kind == _SCRAMBLED:
            raise FileRefused("package_encrypted")
        if kind == _SHEET and stream[at + 9] in _MACRO_SHEETS:
            raise FileRefused("package_macro")
        if kind == _EXTERNAL and size > 4:  # of 4 bytes: the workbook itself
            raise FileRefused("package_link")
        if kind == _END_RECORD:
            return
        at += 4 + size
    raise FileRefused("compound_broken")


@dataclass(frozen=True)
class _Entry:
    """A stream or a storage."""

    name: str
    kind: int
    start: int
    size: int


@dataclass(frozen=True)
class _CompoundFile:
    """The sectors of a compound file, and the chains that they form."""

    content: bytes
    sector_bytes: int
    chains: tuple[int, ...]
    directory: int
    mini_start: int

    @classmethod
    def open(cls, content: bytes) -> "_CompoundFile":
        shift = struct.unpack_from("<H", content, 30)[0]
        if shift not in (9, 12):
            raise FileRefused("compound_broken")
        directory, mini_start = (struct.unpack_from("<I", content, at)[0] for at in (48, 60))
        found = cls(content, 1 << shift, (), directory, mini_start)
        chains = [n for at in found._chain_sectors() for n in found._numbers(at)]
        return cls(content, 1 << shift, tuple(chains), directory, mini_start)

    def entries(self) -> list[_Entry]:
        """All entries of the directory, also those that nothing refers to."""
        table = self._follow(self.directory)
        found = (_parse_entry(table, at) for at in range(0, len(table) - 127, _ENTRY_BYTES))
        return [entry for entry in found if entry.kind]

    def read(self, entry: _Entry) -> bytes:
        """The content of a stream."""
        if entry.size >= _MINI_LIMIT:
            return self._follow(entry.start)[: entry.size]
        root = next(one for one in self.entries() if one.kind == 5)
        small, numbers = self._follow(root.start), self._mini_chains()
        pieces = list[bytes]()
        for sector in _chain(numbers, entry.start):
            pieces.append(small[sector * _MINI_BYTES : (sector + 1) * _MINI_BYTES])
        return b"".join(pieces)[: entry.size]

    def _mini_chains(self) -> tuple[int, ...]:
        table = self._follow(self.mini_start)
        return struct.unpack(f"<{len(table) // 4}I", table)

    def _chain_sectors(self) -> Iterator[int]:
        """The sectors that hold the chains: named in the head, then in sectors of their own."""
        head = struct.unpack_from(f"<{_FIRST_FAT_COUNT}I", self.content, 76)
        yield from (one for one in head if one < _LAST)
        following, left = struct.unpack_from("<II", self.content, 68)
        for _ in range(min(left, len(self.content) // self.sector_bytes)):
            *named, following = self._numbers(following)
            yield from (one for one in named if one < _LAST)

    def _numbers(self, sector: int) -> tuple[int, ...]:
        return struct.unpack(f"<{self.sector_bytes // 4}I", self._sector(sector))

    def _sector(self, number: int) -> bytes:
        start = _HEADER_BYTES if self.sector_bytes == 512 else self.sector_bytes
        start += number * self.sector_bytes
        return self.content[start : start + self.sector_bytes].ljust(self.sector_bytes, b"\0")

    def _follow(self, start: int) -> bytes:
        most = len(self.content) // self.sector_bytes + 2
        return b"".join(map(self._sector, islice(_chain(self.chains, start), most)))


def _chain(numbers: tuple[int, ...], start: int) -> Iterator[int]:
    """The sectors of a chain; one that runs in a circle is broken."""
    seen = set[int]()
    while start < _LAST:
        if start in seen:
            raise FileRefused("compound_broken")
        seen.add(start)
        yield start
        start = numbers[start]


def _parse_entry(table: bytes, at: int) -> _Entry:
    length = struct.unpack_from("<H", table, at + 64)[0]
    name = table[at : at + max(min(length, 64) - 2, 0)].decode("utf-16-le")
    start, size = struct.unpack_from("<II", table, at + 116)
    return _Entry(name, table[at + 66], start, size)
