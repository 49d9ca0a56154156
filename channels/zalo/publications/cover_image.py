"""Covers made of untrusted pictures: 16:9, at most 1200 wide, a JPEG of at most 1 MB.

Zalo shows covers as 16:9 and crops other shapes. A photo loses little by that: it is cropped here,
about its middle. A poster or a scanned notice would lose text: it is fitted whole, on white. The
JPEG is encoded from pixels alone, so that no metadata of the original (place, camera, text, second
picture) is passed on.
"""

import struct
import warnings
import zlib
from collections.abc import Collection
from io import BytesIO

from PIL import Image, ImageOps

from channels.zalo.errors import UnusableImage

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
_WIDTH = 1200
_RATIO = 16 / 9
_CROP_KEEP_MIN = 0.7
"""Share of a picture that a crop must keep; 4:3 keeps three quarters."""
BYTES_MAX = 1_000_000
_QUALITIES = (85, 75, 65, 50, 35)
WHITE = (255, 255, 255)
_TOO_LARGE = "too many pixels"
_DECODER_ERRORS = (
    *(OSError, SyntaxError, EOFError, struct.error, zlib.error),
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, MemoryError),
)
"""Errors that decoders raise for malformed bytes."""


def make_cover(body: bytes) -> bytes:
    """The JPEG; the same bytes for the same picture. Raises UnusableImage.

    Slow: run it in a thread, one at a time (it suspends Pillow's warnings about malformed EXIF).
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            return _encode_jpeg(_fit_ratio(_rotate_upright(*_open_image(body))))
    except Image.DecompressionBombError as error:
        raise UnusableImage(_TOO_LARGE) from error
    except _DECODER_ERRORS as error:
        raise UnusableImage(f"broken: {type(error).__name__}") from error


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
    image.draft("RGB", (_WIDTH, _WIDTH))  # a JPEG is decoded no larger than needed
    return _shrink(image), _exif_orientation(image)


def _exif_orientation(image: Image.Image) -> int:
    """The EXIF orientation; UPRIGHT where EXIF cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, _UPRIGHT))
    except _DECODER_ERRORS:
        return _UPRIGHT


def _shrink(image: Image.Image) -> Image.Image:
    """The image in RGB, less than twice as large as a cover, made band by band."""
    factor = max(max(image.size) // _WIDTH, 1)
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


def _fit_ratio(image: Image.Image) -> Image.Image:
    """The image as 16:9, never larger than it was."""
    width, height = image.size
    kept = min(width / height / _RATIO, height * _RATIO / width)
    if kept >= _CROP_KEEP_MIN:
        size = _frame_size(min(width, round(height * _RATIO), _WIDTH))
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    size = _frame_size(min(max(width, round(height * _RATIO)), _WIDTH))
    return ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=WHITE)


def _frame_size(width: int) -> tuple[int, int]:
    return width, round(width / _RATIO)


def _encode_jpeg(image: Image.Image) -> bytes:
    """The best JPEG within BYTES_MAX, without comments of the original."""
    image.info.clear()
    for quality in _QUALITIES:
        file = BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= BYTES_MAX:
            return file.getvalue()
    raise UnusableImage("too large for a cover")
