"""Files that pages load: the style sheet, the emblem, the icon."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path

from design.tokens import custom_properties

_FOLDER = Path(__file__).parent
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
}


@dataclass(frozen=True)
class Asset:
    """A file that pages load; `name` changes with its bytes, so that it may be kept for ever."""

    stem: str
    suffix: str
    body: bytes

    @property
    def name(self) -> str:
        return f"{self.stem}-{sha256(self.body).hexdigest()[:16]}{self.suffix}"

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.suffix]


@dataclass(frozen=True)
class AssetFolder:
    """Files that name one another by relative paths, such as the modules of a script.

    `name` changes with the bytes of any of them, so that all may be kept for ever.
    """

    stem: str
    files: Mapping[str, bytes]
    """The bytes by relative path."""

    @cached_property
    def name(self) -> str:
        parts = (path.encode() + sha256(self.files[path]).digest() for path in sorted(self.files))
        return f"{self.stem}-{sha256(b''.join(parts)).hexdigest()[:16]}"

    @staticmethod
    def media_type(path: str) -> str:
        return MEDIA_TYPES[Path(path).suffix]


def read_folder(stem: str, folder: Path, suffix: str) -> AssetFolder:
    """The files of *folder* and those below it whose names end in *suffix*."""
    paths = sorted(folder.rglob(f"*{suffix}"))
    return AssetFolder(
        stem, {one.relative_to(folder).as_posix(): one.read_bytes() for one in paths}
    )


@cache
def stylesheet(*more: Path) -> Asset:
    """The style sheet of every page, followed by the rules of a face in *more*."""
    styles = (_FOLDER / "styles" / name for name in ("base.css", "components.css"))
    rules = "\n".join(file.read_text("utf-8") for file in (*styles, *more))
    return Asset("loa", ".css", (custom_properties() + rules).encode())


@cache
def emblem(file: Path | None = None) -> Asset:
    """The emblem in the head: the operator's *file*, or the flag. Raises OSError."""
    file = file or _FOLDER / "static/emblem.svg"
    return Asset("emblem", file.suffix.lower(), file.read_bytes())


@cache
def icon() -> Asset:
    """The icon of the browser's tab."""
    return Asset("loa", ".svg", (_FOLDER / "static/favicon.svg").read_bytes())
