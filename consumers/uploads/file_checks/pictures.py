"""Pictures: decoded within bounds and drawn anew, without metadata and trailing bytes."""

from pathlib import Path

from PIL import Image

from channels import pictures
from channels.errors import UnusableImage
from consumers.uploads.file_checks.errors import FileRefused

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF87a": ".png",
    b"GIF89a": ".png",
}
"""The kind to which a picture is drawn, by its first bytes."""
_QUALITY = 88
_REASONS = {"too many pixels": "picture_too_large", "too small": "picture_too_small"}


def picture_ending(content: bytes) -> str:
    """The ending of the picture that is made of *content*; empty if it is none."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".jpg"
    return next((kind for start, kind in _SIGNATURES.items() if content.startswith(start)), "")


def redraw(content: bytes, ending: str, target: Path) -> None:
    """Write the picture anew to *target*; of a moving one the first frame. Raises FileRefused."""
    try:
        with pictures.drawing():
            _save(pictures.decode(content), ending, target)
    except UnusableImage as unusable:
        raise FileRefused(_REASONS.get(unusable.reason, "picture_broken")) from unusable


def _save(image: Image.Image, ending: str, target: Path) -> None:
    if ending == ".png":
        image.save(target, "PNG")
    else:
        image.save(target, "JPEG", quality=_QUALITY, progressive=True)
