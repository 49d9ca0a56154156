"""500 hostile files with hostile names: polyglots, bombs, programs, and sound files damaged."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.support import uploaded_files as files
from tests.support.uploaded_files import link, object_stream, office, opendocument, package, pdf

PAGE = "<script>document.title='PWNED';fetch('/pwned');alert(1)</script>"
SCRIPT = b"/*" + PAGE.encode() + b"*/document.title='PWNED';fetch('/pwned')//"
ACTIONS = (
    *(b"<</S/JavaScript/JS(app.alert(1))>>", b"<</S/Launch/F(cmd.exe)>>"),
    *(b"<</S/URI/URI(javascript:alert(1))/JS 4 0 R>>", b"<</S/GoToR/F(\\\\\\\\a\\\\b)>>"),
    *(b"<</S/SubmitForm/F(http://127.0.0.1/pwned)>>", b"<</S/ImportData/F(a)>>"),
)
NAMES = (
    *("../../../../etc/passwd", "..\\..\\windows\\system32\\a.exe", "/etc/shadow", "a\0.html"),
    *(
        "ảnh\u202egpj.exe",
        "\u2066a\u2069.html",
        "a.php;.png",
        "con",
        "aux.html",
        "...",
        ".htaccess",
    ),
    *("a" * 2000 + ".html", "a.png.html", "index.html", "x.svg", "a%00.html", "%2e%2e%2fa.html"),
    *("<script>alert(1)</script>.png", '"><img src=x onerror=alert(1)>.png', "' or 1=1--.pdf"),
    *(
        "a\r\nContent-Type: text/html\r\n\r\n.html",
        "\ud7ff\u0300\u0301" * 40,
        "$(reboot).pdf",
        "-rf",
    ),
)


class HostileFile(NamedTuple):
    name: str
    content: bytes
    is_bomb: bool = False
    """Whether it costs far more to read than to send."""


def hostile_files(count: int = 500, seed: int = 17) -> list[HostileFile]:
    """The same files for the same seed: each family once, then sound files that were damaged."""
    chance = Random(seed)
    bombs = list(_bombs())
    made = [*bombs, *_polyglots(), *_vector_pictures(), *_documents(), *_other()]
    sound = [files.picture("PNG"), files.picture("JPEG"), files.picture("GIF"), pdf(), office()]
    sound += [files.picture("WEBP"), opendocument(), files.compound(files.WORD_97)]
    while len(made) < count:
        made.append(_damaged(chance, chance.choice(sound)))
    return [
        HostileFile(NAMES[n % len(NAMES)], one, n < len(bombs))
        for n, one in enumerate(made[:count])
    ]


def _damaged(chance: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    match chance.randrange(4):
        case 0:
            for _ in range(chance.randint(1, 20)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
        case 1:
            del changed[chance.randrange(len(changed)) :]
        case 2:
            at = chance.randrange(len(changed))
            changed[at:at] = PAGE.encode()
        case _:
            changed += PAGE.encode()
    return bytes(changed)


def _polyglots() -> Iterator[bytes]:
    page = PAGE.encode()
    pictures = [files.picture(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP")]
    for one in pictures:
        yield from (one + page, page + one, one + pdf(), one + package({"a.html": PAGE}))
        yield one[:20] + page + one[20:]
    yield files.picture("JPEG", comment=page)
    yield b"GIF89a/*" + files.picture("GIF")[8:] + b"*/=1;" + SCRIPT
    yield from (pdf() + page, page + pdf(), b"%PDF-1.7\n%" + page + b"\n" + pdf()[9:])
    yield pdf(objects={4: b"<</Title(" + page.replace(b"(", b"\\(").replace(b")", b"\\)") + b")>>"})
    yield from (office() + page, page + office(), pdf() + office(), office() + pdf())
    launch = pdf(b"/OpenAction" + ACTIONS[0])
    yield from (files.behind(launch, office()), files.behind(page, opendocument()))
    yield from (b"BM" + SCRIPT, b"\x00\x00\x01\x00" + SCRIPT, b"\xef\xbb\xbf" + page)


def _vector_pictures() -> Iterator[bytes]:
    shape = f'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">{PAGE}</svg>'
    entity = '<!DOCTYPE svg [<!ENTITY a "b">]>' + shape
    loads = '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1/pwned"/></svg>'
    for one in (shape, entity, loads, "<?xml version='1.0'?>" + shape, "<!-- a -->" + shape):
        yield from (one.encode(), one.encode("utf-16"), b" \n" + one.encode())
        yield gzip.compress(one.encode())
        yield files.picture() + one.encode()


def _bombs() -> Iterator[bytes]:
    for side in (7000, 60_000, 2**31 - 1):
        head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        yield _png(head, zlib.compress(bytes(1000)))
        yield b"GIF89a" + struct.pack("<HH", side & 0xFFFF, side & 0xFFFF) + bytes(20)
    yield _png(struct.pack(">IIBBBBB", 200, 200, 8, 2, 0, 0, 0), zlib.compress(bytes(30 << 20)))
    yield office(parts={"word/a.xml": b" " * (101 << 20)})
    nested = office()
    for _ in range(25):
        nested = office(parts={"word/embeddings/a.docx": nested})
    yield nested
    yield office(parts={f"word/{n}.xml": "<a/>" for n in range(3100)})
    yield office(body="<a>" * 100_000)
    yield pdf(objects={4: b"[" * 500_000})
    yield pdf(objects={4: object_stream(b"<</A" + b" 1" * 1_000_000 + b">>")})
    yield pdf(objects={4: b"(" * 300_000 + b" obj(" * 50_000})


def _png(head: bytes, body: bytes) -> bytes:
    out = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b"")):
        out += struct.pack(">I", len(content)) + name + content
        out += struct.pack(">I", zlib.crc32(name + content))
    return out


def _documents() -> Iterator[bytes]:
    for action in ACTIONS:
        yield pdf(b"/OpenAction" + action)
        yield pdf(b"/AA<</O " + action + b">>")
        yield pdf(objects={4: object_stream(b"<<>>", action)})
        yield pdf().replace(b"xref", b"77 0 obj" + action + b"endobj xref", 1)
    yield from (pdf(b"/Names<</EmbeddedFiles 4 0 R>>"), pdf(trailer=b"/Encrypt 5 0 R"))
    targets = (
        "https://a.b/x.dotm",
        "file://a/b",
        "\\\\a\\b",
        "mhtml:http://a.b!x",
        "javascript:a()",
    )
    for kind in ("attachedTemplate", "image", "oleObject", "frame", "subDocument", "hyperlink"):
        for target in targets:
            yield office(links=link(kind, target))
    for name in ("a.exe", "a.js", "vbaProject.bin", "activeX1.bin"):
        yield office(parts={f"word/{name}": files.PROGRAM})
    for body in ('<event-listener href="x"/>', '<image href="http://a.b"/>', "<object-ole/>"):
        yield opendocument(body=f"<a>{body}</a>")
    yield from (
        files.compound(files.WORD_97 | {name: b""}) for name in ("VBA", "Macros", "_1234567")
    )


def _other() -> Iterator[bytes]:
    yield from (PAGE.encode(), PAGE.encode("utf-16"), b"+ADw-script+AD4-alert(1)", SCRIPT)
    yield b"From: a\r\nContent-Type: text/html\r\nMIME-Version: 1.0\r\n\r\n" + PAGE.encode()
    yield b"<HTA:APPLICATION>" + PAGE.encode()
    yield b"[InternetShortcut]\r\nURL=http://127.0.0.1/pwned"
    yield from (
        files.PROGRAM,
        b"#!/bin/sh\nreboot",
        b"\x7fELF" + bytes(99),
        b"\xca\xfe\xba\xbe" * 9,
    )
    yield from (
        b"Rar!\x1a\x07",
        b"7z\xbc\xaf\x27\x1c",
        b"{\\rtf1{\\object}}",
        b"\x1f\x8b" + bytes(9),
    )
    yield from (package({"../a.html": PAGE}), package({"index.html": PAGE}), b"\0" * 5000)
    yield b'<?xml version="1.0"?><?xml-stylesheet href="javascript:alert(1)"?><a/>'
    yield b'<?php system("id"); ?>'
