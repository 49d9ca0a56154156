"""Drawing of a cover's derivatives: at most 960 wide, WebP and JPEG, from pixels alone."""

from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from channels.pictures import decode, drawing
from channels.portal.model.cover import FORMATS, WIDTHS, CoverPicture
from channels.portal.storage.atomic_files import RenderedFile

_PILLOW_FORMATS = {"webp": "WEBP", "jpg": "JPEG"}
_QUALITY = 78


def draw_derivatives(body: bytes, stem: str) -> list[RenderedFile]:
    """The files of the picture, never larger than it was; the smallest last. Run it in a thread.

    Raises UnusableImage.
    """
    with drawing():
        return list(_files(decode(body), stem))


def _files(image: Image.Image, stem: str) -> Iterator[RenderedFile]:
    for width in [width for width in WIDTHS[::-1] if width <= image.width] or [image.width]:
        height = max(1, round(image.height * width / image.width))
        small = image.resize((width, height), Image.Resampling.LANCZOS)
        picture = CoverPicture(stem, (small.size,))
        for kind in FORMATS:
            file = BytesIO()
            small.save(file, _PILLOW_FORMATS[kind], quality=_QUALITY, optimize=True)
            yield picture.path(small.size, kind), file.getvalue()
