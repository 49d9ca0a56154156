"""Derivatives of an item's cover: the same picture in several widths, which the portal serves.

    anh/<content_id>/<hash>-<width>x<height>.webp .jpg

The hash is of the cover's address, so that each address is fetched and drawn once.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

PICTURES_FOLDER = "anh"
FORMATS = ("webp", "jpg")
_NAME = re.compile(r"([0-9a-f]{16})-([1-9]\d{0,3})x([1-9]\d{0,3})\.(?:webp|jpg)")
WIDTHS = (320, 640, 960)
_PLAIN_WIDTH = 640
"""For browsers that know no `srcset`."""
Size = tuple[int, int]


class CoverPicture(NamedTuple):
    """The derivatives of one cover: a path without size, and the sizes in pixels."""

    stem: str
    sizes: tuple[Size, ...]

    def path(self, size: Size, kind: str) -> str:
        return f"{self.stem}-{size[0]}x{size[1]}.{kind}"

    @property
    def plain(self) -> Size:
        """The size for browsers that choose none."""
        return next((size for size in self.sizes if size[0] >= _PLAIN_WIDTH), self.sizes[-1])

    @property
    def paths(self) -> list[str]:
        return [self.path(size, kind) for size in self.sizes for kind in FORMATS]


def cover_stem(content_id: str, url: str) -> str:
    """The path of a cover's derivatives without size and kind."""
    return f"{PICTURES_FOLDER}/{content_id}/{sha256(url.encode()).hexdigest()[:16]}"


def size_in_path(path: str) -> Size | None:
    """The size that the path of a derivative names; None for other pictures."""
    match = _NAME.fullmatch(path.rpartition("/")[2])
    return (int(match[2]), int(match[3])) if match else None


def find_picture(stem: str, names: Iterable[str]) -> CoverPicture | None:
    """The picture among the *names* of its folder, if it is whole: the smallest size comes last."""
    given, prefix = set(names), stem.rpartition("/")[2]
    matches = [match for match in map(_NAME.fullmatch, given) if match and match[1] == prefix]
    sizes = sorted({(int(match[2]), int(match[3])) for match in matches})
    whole = [size for size in sizes if given.issuperset(CoverPicture(prefix, (size,)).paths)]
    return CoverPicture(stem, tuple(whole)) if whole and whole[0][0] <= WIDTHS[0] else None
