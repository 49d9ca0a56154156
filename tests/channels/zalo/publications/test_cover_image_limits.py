"""Malformed pictures are refused quickly, and never decoded beyond the limits."""

import random
import struct
import zlib

import pytest

from channels.errors import UnusableImage
from channels.zalo.publications import cover_image
from tests.support.images import image_bytes, new_image, stripes

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """The head of a PNG of any size, with any content."""

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
    "a bitmap of another kind": (image_bytes(new_image((200, 200)), "BMP"), "broken"),
    "a TIFF": (image_bytes(new_image((200, 200)), "TIFF"), "broken"),
    "an icon": (image_bytes(new_image((200, 200)), "ICO"), "broken"),
    "a PNG of 20,000 x 20,000": (png(20_000, 20_000), "too many pixels"),
    "a PNG of 2^31 x 1": (png(2**31 - 1, 1), "too many pixels"),
    "a PNG that holds less than it says": (png(400, 300, zlib.compress(b"\0" * 10)), "broken"),
    "a PNG without pixels": (png(400, 300), "broken"),
    "a PNG with a word changed": (
        image_bytes(new_image(), "PNG").replace(b"IDAT", b"IDAX"),
        "broken",
    ),
    "half a JPEG": (image_bytes(stripes(1600, 900), "JPEG")[:4000], "broken"),
    "half a GIF": (image_bytes(stripes(1600, 900), "GIF")[:2000], "broken"),
    "half a WebP": (image_bytes(stripes(1600, 900), "WEBP")[:300], "broken"),
    "a counter of readers": (image_bytes(new_image((1, 1)), "GIF"), "too small"),
    "a line": (image_bytes(new_image((5000, 2)), "PNG"), "too small"),
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_picture_is_refused(name):
    body, reason = NONE[name]
    with pytest.raises(UnusableImage, match=reason):
        cover_image.make_cover(body)


def test_a_picture_that_unpacks_to_a_flood_is_not_unpacked():
    """A few kilobytes of PNG that say how large they are: 100 million pixels."""
    rows = zlib.compress(bytes(3 * 10_000 + 1) * 100, 9)
    assert len(rows) < 10_000
    with pytest.raises(UnusableImage, match="too many pixels"):
        cover_image.make_cover(png(10_000, 10_000, rows))


def test_text_that_unpacks_to_a_flood_is_not_unpacked():
    body = bytearray(image_bytes(new_image((400, 300)), "PNG"))
    text = b"Comment\x00\x00" + zlib.compress(bytes(20_000_000), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    body[33:33] = chunk
    with pytest.raises(UnusableImage):
        cover_image.make_cover(bytes(body))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_damage_anywhere_ends_in_a_cover_or_a_no(format):
    chance = random.Random(format)
    whole = image_bytes(stripes(320, 180), format)
    for _ in range(300):
        body = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        cut = chance.randrange(len(body)) if chance.random() < 0.3 else len(body)
        try:
            cover_image.make_cover(bytes(body[:cut]))
        except UnusableImage as refused:
            assert refused.reason
