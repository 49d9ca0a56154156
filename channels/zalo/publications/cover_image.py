"""Covers made of untrusted pictures: 16:9, at most 1200 wide, a JPEG of at most 1 MB.

Zalo shows covers as 16:9 and crops other shapes. A photo loses little by that: it is cropped here,
about its middle. A poster or a scanned notice would lose text: it is fitted whole, on white. The
JPEG is encoded from pixels alone, so that no metadata of the original (place, camera, text, second
picture) is passed on.
"""

from io import BytesIO

from PIL import Image, ImageOps

from channels.errors import UnusableImage
from channels.pictures import MEDIA_TYPES, WHITE, decode, drawing

__all__ = ["BYTES_MAX", "MEDIA_TYPES", "WHITE", "make_cover"]
_WIDTH = 1200
_RATIO = 16 / 9
_CROP_KEEP_MIN = 0.7
"""Share of a picture that a crop must keep; 4:3 keeps three quarters."""
BYTES_MAX = 1_000_000
_QUALITIES = (85, 75, 65, 50, 35)


def make_cover(body: bytes) -> bytes:
    """The JPEG; the same bytes for the same picture. Slow: run it in a thread.

    Raises UnusableImage.
    """
    with drawing():
        return _encode_jpeg(_fit_ratio(decode(body)))


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
    for quality in _QUALITIES:
        file = BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= BYTES_MAX:
            return file.getvalue()
    raise UnusableImage("too large for a cover")
