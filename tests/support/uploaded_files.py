"""Files as officials upload them, and as attackers do: made from scratch, small."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from PIL import Image

PROGRAM = b"MZ\x90\0" + b"\0" * 200
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = {
    "docx": ("word/document.xml", "wordprocessingml.document.main+xml"),
    "xlsx": ("xl/workbook.xml", "spreadsheetml.sheet.main+xml"),
    "pptx": ("ppt/presentation.xml", "presentationml.presentation.main+xml"),
}


def picture(kind: str = "PNG", size: tuple[int, int] = (160, 120), **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 40).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def pdf(
    catalog: bytes = b"", objects: Mapping[int, bytes] | None = None, trailer: bytes = b""
) -> bytes:
    """A PDF of one empty page; *catalog* and *trailer* are more entries of these."""
    all_objects = {
        1: b"<</Type/Catalog/Pages 2 0 R" + catalog + b">>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>",
        **(objects or {}),
    }
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), dict[int, int]()
    for number, body in all_objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
    out += b"".join(b"%010d 00000 n \n" % at for _, at in sorted(offsets.items()))
    size = len(offsets) + 1
    out += b"trailer\n<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start)
    return bytes(out)


def object_stream(*bodies: bytes, entries: bytes = b"/Filter/FlateDecode") -> bytes:
    """The body of an object that holds other objects, compressed."""
    offsets, at = list[int](), 0
    for body in bodies:
        offsets.append(at)
        at += len(body) + 1
    head = b" ".join(b"%d %d" % (90 + n, at) for n, at in enumerate(offsets)) + b" "
    packed = head + b" ".join(bodies)
    content = zlib.compress(packed) if b"Flate" in entries else packed
    facts = b"<</Type/ObjStm/N %d/First %d/Length %d" % (len(bodies), len(head), len(content))
    return facts + entries + b">>\nstream\n" + content + b"\nendstream"


def package(parts: Mapping[str, bytes | str], first: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            kind = zipfile.ZIP_STORED if name == first else zipfile.ZIP_DEFLATED
            made.writestr(name, content, kind)
    return out.getvalue()


def office(
    kind: str = "docx",
    body: str = "<w/>",
    *,
    types: str = "",
    links: str = "",
    parts: Mapping[str, bytes | str] | None = None,
) -> bytes:
    """A document of today's Office. *links*: relationships of its main part."""
    path, content_type = _MAIN[kind]
    folder, name = path.split("/")
    main = f"application/vnd.openxmlformats-officedocument.{content_type}"
    override = f'<Override PartName="/{path}" ContentType="{main}"/>'
    root = f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="{path}"/>'
    return package(
        {
            "[Content_Types].xml": f'<Types xmlns="{_TYPES}">{override}{types}</Types>',
            "_rels/.rels": _relationships(root),
            path: body,
            f"{folder}/_rels/{name}.rels": _relationships(links),
            **(parts or {}),
        }
    )


def behind(content: bytes, document: bytes) -> bytes:
    """The package *document* with *content* as it is, as its first part."""
    with zipfile.ZipFile(io.BytesIO(document)) as opened:
        parts = {name: opened.read(name) for name in opened.namelist()}
    return package({"a.bin": content, **parts}, first="a.bin")


def _relationships(links: str) -> str:
    return f'<Relationships xmlns="{_LINKS}">{links}</Relationships>'


def link(kind: str, target: str, mode: str = "External") -> str:
    how = f' TargetMode="{mode}"' if mode else ""
    return f'<Relationship Id="r9" Type="{_OFFICE}/{kind}" Target="{target}"{how}/>'


def opendocument(
    kind: str = "text", body: str = "<a/>", parts: Mapping[str, bytes | str] | None = None
) -> bytes:
    return package(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": body,
            "META-INF/manifest.xml": "<manifest/>",
            **(parts or {}),
        },
        first="mimetype",
    )


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file with these streams, each of 4096 bytes at least, and storages without."""
    sectors, chains, entries = list[bytes](), list[int](), list[tuple[str, int, int, int]]()
    for name, content in streams.items():
        start, blocks = len(sectors), -(-max(len(content), 4096) // 512) if content else 0
        padded = content.ljust(blocks * 512, b"\0")
        sectors += [padded[n * 512 : n * 512 + 512] for n in range(blocks)]
        chains += [start + n + 1 for n in range(blocks - 1)] + [0xFFFFFFFE] * bool(blocks)
        entries.append((name, 2 if content else 1, start if content else 0xFFFFFFFE, len(padded)))
    directory = [("Root Entry", 5, 0xFFFFFFFE, 0), *entries]
    table = b"".join(_directory_entry(*one) for one in directory)
    table = table.ljust(-(-len(table) // 512) * 512, b"\0")
    first, blocks = len(sectors), len(table) // 512
    sectors += [table[n * 512 : n * 512 + 512] for n in range(blocks)]
    chains += [first + n + 1 for n in range(blocks - 1)] + [0xFFFFFFFE]
    fats = 1
    while fats * 128 < len(chains) + fats:
        fats += 1
    places = [len(sectors) + n for n in range(fats)]
    numbers = [*chains, *[0xFFFFFFFD] * fats]
    numbers += [0xFFFFFFFF] * (fats * 128 - len(numbers))
    packed = struct.pack(f"<{len(numbers)}I", *numbers)
    sectors += [packed[n * 512 : n * 512 + 512] for n in range(fats)]
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, fats, first, 0, 4096,
                        0xFFFFFFFE, 0, 0xFFFFFFFE, 0)  # fmt: skip
    head += struct.pack("<109I", *(places + [0xFFFFFFFF] * (109 - fats)))
    return head + b"".join(sectors)


def _directory_entry(name: str, kind: int, start: int, size: int) -> bytes:
    written = name.encode("utf-16-le") + b"\0\0"
    head = written.ljust(64, b"\0") + struct.pack("<HBB", len(written), kind, 1)
    return head + b"\xff" * 12 + bytes(36) + struct.pack("<IQ", start, size)


WORD_97 = {"WordDocument": struct.pack("<HHHHHH", 0xA5EC, 0xC1, 0, 0x42A, 0, 0) + bytes(4096)}


def workbook_97(*records: bytes) -> dict[str, bytes]:
    begin = struct.pack("<HHHH", 0x809, 4, 0x600, 5)
    return {"Workbook": begin + b"".join(records) + struct.pack("<HH", 0x0A, 0) + bytes(4096)}


def sheet_record(kind: int) -> bytes:
    return struct.pack("<HHIBB", 0x85, 8, 0, 0, kind) + b"\1\0"
