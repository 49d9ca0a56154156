"""A stranger's picture made into a cover: 16:9, at most 1200 wide, a JPEG of at most 1 MB.

Zalo shows covers as 16:9 and cuts what has another shape. A photo loses little by that, so it is
cut here, about its middle. A poster or a scanned notice would lose words: it is shown whole, on
white. What is written is drawn anew from pixels, so that nothing else of the file comes along:
no place, no camera, no text, no second picture.
"""

import struct
import warnings
import zlib
from collections.abc import Collection
from io import BytesIO

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
MEDIA_TYPES: Collection[str] = {f"image/{name.lower()}" for name in FORMATS}
PIXELS_MAX = 40_000_000
"""What a big camera makes; decoded it is 160 MB at most."""
SIDE_MIN = 100
WIDTH = 1200
RATIO = 16 / 9
LEAST_KEPT = 0.7
"""A cut must leave so much of a picture; 4:3 keeps three quarters."""
BYTES_MAX = 1_000_000
QUALITIES = (85, 75, 65, 50, 35)
WHITE = (255, 255, 255)
BROKEN = (
    *(OSError, SyntaxError, EOFError, struct.error, zlib.error),
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, MemoryError),
)
"""What decoders raise for bytes that are not what they claim to be."""

# We look at the size before anything is decoded, and refuse far earlier than Pillow would warn.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\.")  # what it has to say of a stranger's EXIF


class NotAPicture(Exception):
    """No cover can be made of it. `reason` is safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def cover(body: bytes) -> bytes:
    """The JPEG; the same bytes for the same picture. Raises NotAPicture. Takes a while."""
    try:
        return written(shaped(flat(smaller(opened(body)))))
    except BROKEN as broken:
        raise NotAPicture(f"broken: {type(broken).__name__}") from broken


def opened(body: bytes) -> Image.Image:
    """The picture, its first frame, upright; nothing too large is ever decoded."""
    image = Image.open(BytesIO(body), formats=FORMATS)
    width, height = image.size
    if width * height > PIXELS_MAX:
        raise NotAPicture("too many pixels")
    if min(width, height) < SIDE_MIN:
        raise NotAPicture("too small")
    image.draft("RGB", (WIDTH, WIDTH))  # a JPEG is decoded no larger than it is needed
    return upright(image)


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says; EXIF that can't be read says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except BROKEN:
        return image


def smaller(image: Image.Image) -> Image.Image:
    """Roughly, before anything is done that needs further copies of a large picture."""
    factor = max(image.size) // (2 * WIDTH)
    if factor < 2 or image.mode not in ("P", "RGB", "RGBA", "L", "LA", "CMYK"):
        return image
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.reduce(factor)


def flat(image: Image.Image) -> Image.Image:
    """In plain colours; what is transparent becomes white."""
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    paper = Image.new("RGBA", layer.size, (*WHITE, 255))
    return Image.alpha_composite(paper, layer).convert("RGB")


def shaped(image: Image.Image) -> Image.Image:
    """16:9, and never larger than it was."""
    width, height = image.size
    kept = min(width / height / RATIO, height * RATIO / width)
    if kept >= LEAST_KEPT:
        size = frame(min(width, round(height * RATIO), WIDTH))
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    size = frame(min(max(width, round(height * RATIO)), WIDTH))
    return ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=WHITE)


def frame(width: int) -> tuple[int, int]:
    return width, round(width / RATIO)


def written(image: Image.Image) -> bytes:
    """As good as it may be; a comment, say, would be written along."""
    image.info.clear()
    for quality in QUALITIES:
        file = BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= BYTES_MAX:
            return file.getvalue()
    raise NotAPicture("too large for a cover")
