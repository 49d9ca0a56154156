"""Files that pages load: the style sheet, the emblem, the icon."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from design.tokens import custom_properties

_FOLDER = Path(__file__).parent
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
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
