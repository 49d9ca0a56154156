"""Pictures of unknown origin, decoded within bounds: upright, RGB, without metadata."""

import struct
import threading
import warnings
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO

from PIL import Image, ImageOps

from channels.errors import UnusableImage

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
MEDIA_TYPES: Collection[str] = {f"image/{name.lower()}" for name in _FORMATS}
_PIXELS_MAX_BY_FORMAT = {"WEBP": 10_000_000}
_DEFAULT_PIXELS_MAX = 40_000_000
"""Pixels of a big camera. Decoded it takes at most 160 MB, and the cover little more. A WebP
decoder takes 16 bytes a pixel, so that such a picture has to be smaller.
"""
_BAND_ROWS = 16
"""Rows of the small picture that are made at once."""
_ORIENTATION, _UPRIGHT = 0x0112, 1
_SIDE_MIN = 100
_TARGET = 1200
"""Wider pictures are made smaller, to less than twice of that."""
WHITE = (255, 255, 255)
_TOO_LARGE = "too many pixels"
_DECODER_ERRORS = (
    *(OSError, SyntaxError, EOFError, struct.error, zlib.error),
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, MemoryError),
)
"""Errors that decoders raise for malformed bytes."""
_one_at_a_time = threading.Lock()
"""A large picture takes memory, and Pillow's warnings are suspended for the whole process."""


@contextmanager
def drawing() -> Iterator[None]:
    """Turn what fails in decoding and drawing into UnusableImage; one thread at a time."""
    try:
        with _one_at_a_time, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    except Image.DecompressionBombError as error:
        raise UnusableImage(_TOO_LARGE) from error
    except _DECODER_ERRORS as error:
        raise UnusableImage(f"broken: {type(error).__name__}") from error


def decode(body: bytes) -> Image.Image:
    """The picture, less than twice as large as 1200; the same pixels for the same bytes.

    For use within `drawing`. Raises UnusableImage.
    """
    image = _rotate_upright(*_open_image(body))
    image.info.clear()
    return image


def _open_image(body: bytes) -> tuple[Image.Image, int]:
    """The first frame, small, and its EXIF orientation.

    A picture that is too large is never decoded, and a decoded one is never copied whole.
    """
    image = Image.open(BytesIO(body), formats=_FORMATS)
    width, height = image.size
    if width * height > _PIXELS_MAX_BY_FORMAT.get(image.format or "", _DEFAULT_PIXELS_MAX):
        raise UnusableImage(_TOO_LARGE)
    if min(width, height) < _SIDE_MIN:
        raise UnusableImage("too small")
    image.draft("RGB", (_TARGET, _TARGET))  # a JPEG is decoded no larger than needed
    return _shrink(image), _exif_orientation(image)


def _exif_orientation(image: Image.Image) -> int:
    """The EXIF orientation; UPRIGHT where EXIF cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, _UPRIGHT))
    except _DECODER_ERRORS:
        return _UPRIGHT


def _shrink(image: Image.Image) -> Image.Image:
    """The image in RGB, less than twice as large as _TARGET, made band by band."""
    factor = max(max(image.size) // _TARGET, 1)
    width, height = image.size
    made = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, _BAND_ROWS * factor):
        band = image.crop((0, top, width, min(top + _BAND_ROWS * factor, height)))
        made.paste(_flatten(band).reduce(factor), (0, top // factor))
    return made


def _rotate_upright(image: Image.Image, orientation: int) -> Image.Image:
    image.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


def _flatten(image: Image.Image) -> Image.Image:
    """The image in RGB; transparent pixels become white."""
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    paper = Image.new("RGBA", layer.size, (*WHITE, 255))
    return Image.alpha_composite(paper, layer).convert("RGB")
