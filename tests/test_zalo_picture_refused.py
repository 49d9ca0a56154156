"""What is no picture is refused, quickly and whole: nothing of it is unpacked that does not fit."""

import random
import struct
import zlib

import pytest

from channels.zalo import picture
from channels.zalo.picture import NotAPicture
from tests.pictures import drawn, saved, stripes

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """The head of a PNG of any size, whatever follows."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PAGE = b"<!doctype html><title>404</title>"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
)
ENTITIES = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>' + SVG
NONE = {
    "nothing": (b"", "broken"),
    "a page": (PAGE, "broken"),
    "an SVG": (SVG, "broken"),
    "an SVG with entities": (ENTITIES, "broken"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "broken"),
    "a PDF": (b"%PDF-1.7\n", "broken"),
    "a bitmap of another kind": (saved(drawn((200, 200)), "BMP"), "broken"),
    "a TIFF": (saved(drawn((200, 200)), "TIFF"), "broken"),
    "an icon": (saved(drawn((200, 200)), "ICO"), "broken"),
    "a PNG of 20,000 x 20,000": (png(20_000, 20_000), "too many pixels"),
    "a PNG of 2^31 x 1": (png(2**31 - 1, 1), "too many pixels"),
    "a PNG that holds less than it says": (png(400, 300, zlib.compress(b"\0" * 10)), "broken"),
    "a PNG without pixels": (png(400, 300), "broken"),
    "a PNG with a word changed": (saved(drawn(), "PNG").replace(b"IDAT", b"IDAX"), "broken"),
    "half a JPEG": (saved(stripes(1600, 900), "JPEG")[:4000], "broken"),
    "half a GIF": (saved(stripes(1600, 900), "GIF")[:2000], "broken"),
    "half a WebP": (saved(stripes(1600, 900), "WEBP")[:300], "broken"),
    "a counter of readers": (saved(drawn((1, 1)), "GIF"), "too small"),
    "a line": (saved(drawn((5000, 2)), "PNG"), "too small"),
}  # fmt: skip


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_picture_is_refused(name):
    body, reason = NONE[name]
    with pytest.raises(NotAPicture, match=reason):
        picture.cover(body)


def test_a_picture_that_unpacks_to_a_flood_is_not_unpacked():
    """A few kilobytes of PNG that say how large they are: 100 million pixels."""
    rows = zlib.compress(bytes(3 * 10_000 + 1) * 100, 9)
    assert len(rows) < 10_000
    with pytest.raises(NotAPicture, match="too many pixels"):
        picture.cover(png(10_000, 10_000, rows))


def test_text_that_unpacks_to_a_flood_is_not_unpacked():
    body = bytearray(saved(drawn((400, 300)), "PNG"))
    text = b"Comment\x00\x00" + zlib.compress(bytes(20_000_000), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    body[33:33] = chunk
    with pytest.raises(NotAPicture):
        picture.cover(bytes(body))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_damage_anywhere_ends_in_a_cover_or_a_no(format):
    chance = random.Random(format)
    whole = saved(stripes(320, 180), format)
    for _ in range(300):
        body = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        cut = chance.randrange(len(body)) if chance.random() < 0.3 else len(body)
        try:
            picture.cover(bytes(body[:cut]))
        except NotAPicture as refused:
            assert refused.reason
