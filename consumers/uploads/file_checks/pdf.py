"""PDF: whole, readable, and without scripts, programs, files inside and encryption.

Every place that a reader may take for an object is read, also what no table of the file names, and
the objects in compressed object streams. Content streams draw, and are not read. No library: those
at hand build the document first, as its own tables say, and miss what another reader would find.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from consumers.uploads.file_checks.errors import FileRefused
from consumers.uploads.file_checks.limits import UNPACKED_MAX

_HEADER = re.compile(rb"%PDF-[12]\.\d")
_HEADER_WORD, _HEADER_WITHIN = b"%PDF-", 1024
_END = re.compile(rb"%%EOF[\s\0]{0,64}\Z")
_TAIL_BYTES = 2048
_PLACES = re.compile(rb"(?<![A-Za-z])(?:obj|trailer)(?![A-Za-z])")
_TOKEN = re.compile(
    rb"(?P<blank>[\0\t\n\f\r ]+|%[^\r\n]*)|(?P<open><<|\[)|(?P<close>>>|\])|(?P<string>\()"
    rb"|(?P<hex><[^<>]*>)|/(?P<name>[^\0\t\n\f\r ()<>\[\]{}/%]*)"
    rb"|(?P<word>[^\0\t\n\f\r ()<>\[\]{}/%]+)|(?P<other>.)",
    re.S,
)
_STRING_STEP = re.compile(rb"\\.|[()]", re.S)
_STREAM = re.compile(rb"[\0\t\n\f\r ]*stream(?:\r\n|\n|\r)")
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_WORK_FACTOR, _WORK_LEAST = 4, 1 << 20
"""How many times its size may be read of a file whose objects overlap."""
_REFUSED = {
    **dict.fromkeys((b"JS", b"JavaScript"), "pdf_script"),
    **dict.fromkeys((b"Launch", b"SubmitForm", b"ImportData", b"GoToR", b"GoToE"), "pdf_action"),
    **dict.fromkeys((b"EmbeddedFile", b"EmbeddedFiles", b"RichMedia"), "pdf_file_inside"),
    b"XFA": "pdf_form",
    b"Encrypt": "pdf_encrypted",
}
_OBJECT_STREAM = b"ObjStm"
_NEEDED = (b"Catalog", b"Pages")
_KNOWN_FILTERS = {b"FlateDecode", b"Fl"}
_FILTERS = re.compile(rb"(?:Decode|^(?:AHx|A85|LZW|Fl|RL|Crypt))$")


def is_pdf(content: bytes) -> bool:
    return _HEADER.match(content) is not None


def opens_as_pdf(content: bytes) -> bool:
    """Whether readers of PDF take it, which look for the header in the first bytes."""
    return _HEADER_WORD in content[:_HEADER_WITHIN]


def check_pdf(content: bytes) -> None:
    """Raises FileRefused."""
    tail = content[-_TAIL_BYTES:]
    if not (_END.search(tail) and b"startxref" in tail):
        raise FileRefused("pdf_broken")
    _Reader(content, max(_WORK_FACTOR * len(content), _WORK_LEAST)).check()


@dataclass
class _Object:
    """The names and the numbers behind names in one object, and where it ends."""

    names: list[bytes]
    numbers: dict[bytes, int]
    end: int


@dataclass
class _Reader:
    """Reads every object of a file. `work`: how many bytes may still be read."""

    content: bytes
    work: int
    found: set[bytes] = field(default_factory=set)
    unpacked: int = 0

    def check(self) -> None:
        for place in _PLACES.finditer(self.content):
            read = self.read_object(self.content, place.end())
            if _OBJECT_STREAM in read.names and (start := _STREAM.match(self.content, read.end)):
                self.check_object_stream(read, start.end())
        if not self.found.issuperset(_NEEDED):
            raise FileRefused("pdf_broken")

    def read_object(self, content: bytes, at: int) -> _Object:
        """Read one object. Raises FileRefused for a forbidden name."""
        read, depth, last = _Object([], {}, at), 0, b""
        for kind, value, read.end in _tokens(content, at):
            depth += (kind == "open") - (kind == "close")
            if kind == "name":
                last = self.take_name(read, value)
            elif kind == "word" and value.isdigit() and len(value) <= 9:
                read.numbers.setdefault(last, int(value))
            if depth <= 0:
                break
        self.spend(read.end - at)
        return read

    def take_name(self, read: _Object, written: bytes) -> bytes:
        name = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), written)
        if code := _REFUSED.get(name):
            raise FileRefused(code)
        self.found.add(name)
        read.names.append(name)
        return name

    def spend(self, count: int) -> None:
        self.work -= count
        if self.work < 0:
            raise FileRefused("pdf_broken")

    def check_object_stream(self, stream: _Object, at: int) -> None:
        """Read the objects that a stream holds. Raises FileRefused for one that can't be read."""
        filters = {name for name in stream.names if _FILTERS.search(name)}
        first, count = stream.numbers.get(b"First", -1), stream.numbers.get(b"N", -1)
        is_known = filters <= _KNOWN_FILTERS and stream.numbers.get(b"Predictor", 1) == 1
        if not is_known or first < 0 or count < 0:
            raise FileRefused("pdf_broken")
        content = self.unpack(at) if filters else self.content[at : self.stream_end(at)]
        numbers = content[:first].split()[: 2 * count]
        if not all(one.isdigit() and len(one) <= 9 for one in numbers):
            raise FileRefused("pdf_broken")
        for offset in numbers[1::2]:
            self.read_object(content, first + int(offset))

    def stream_end(self, at: int) -> int:
        end = self.content.find(b"endstream", at)
        return len(self.content) if end < 0 else end

    def unpack(self, at: int) -> bytes:
        unpacker = zlib.decompressobj()
        try:
            content = unpacker.decompress(self.content[at:], UNPACKED_MAX - self.unpacked)
        except zlib.error as broken:
            raise FileRefused("pdf_broken") from broken
        self.unpacked += len(content)
        if not unpacker.eof:
            raise FileRefused("pdf_broken")
        self.work += _WORK_FACTOR * len(content)
        return content


def _tokens(content: bytes, at: int) -> Iterator[tuple[str, bytes, int]]:
    """Kind, value and end of each token, without blanks and comments."""
    while token := _TOKEN.match(content, at):
        at, kind = token.end(), token.lastgroup or ""
        if kind == "string":
            at = _string_end(content, at)
        if kind != "blank":
            yield kind, token[kind], at


def _string_end(content: bytes, at: int) -> int:
    """Behind the string that begins at *at*, with the brackets inside it."""
    depth = 1
    for step in _STRING_STEP.finditer(content, at):
        depth += (step[0] == b"(") - (step[0] == b")")
        if not depth:
            return step.end()
    return len(content)
