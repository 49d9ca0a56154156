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
PIXELS_MAX = {"WEBP": 10_000_000}
MOST_PIXELS = 40_000_000
"""What a big camera makes. Decoded it is 160 MB at most, and all that is made of it takes little
more; a decoder of WebP takes 16 bytes a pixel, so that such a picture has to be smaller."""
BAND = 16
"""So many rows of the small picture are made at once."""
ORIENTATION, UPRIGHT = 0x0112, 1
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
        return written(shaped(upright(*opened(body))))
    except BROKEN as broken:
        raise NotAPicture(f"broken: {type(broken).__name__}") from broken


def opened(body: bytes) -> tuple[Image.Image, int]:
    """The picture, its first frame, small; and how its camera was held.

    Nothing too large is ever decoded, and of what was decoded no second copy is made.
    """
    image = Image.open(BytesIO(body), formats=FORMATS)
    width, height = image.size
    if width * height > PIXELS_MAX.get(image.format or "", MOST_PIXELS):
        raise NotAPicture("too many pixels")
    if min(width, height) < SIDE_MIN:
        raise NotAPicture("too small")
    image.draft("RGB", (WIDTH, WIDTH))  # a JPEG is decoded no larger than it is needed
    return smaller(image), held(image)


def held(image: Image.Image) -> int:
    """What EXIF says of it, UPRIGHT where it can't be read."""
    try:
        return int(image.getexif().get(ORIENTATION, UPRIGHT))
    except BROKEN:
        return UPRIGHT


def smaller(image: Image.Image) -> Image.Image:
    """In plain colours and less than twice as large as a cover, made one band after the other."""
    factor = max(max(image.size) // WIDTH, 1)
    width, height = image.size
    made = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, BAND * factor):
        band = image.crop((0, top, width, min(top + BAND * factor, height)))
        made.paste(flat(band).reduce(factor), (0, top // factor))
    return made


def upright(image: Image.Image, orientation: int) -> Image.Image:
    image.getexif()[ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


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
