"""The note behind an attachment's title: kind and size, ` (PDF, 1,2 MB)`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.catalog import load_texts
from contracts.content import Attachment

MEDIA_NAMES: Mapping[str, str] = load_texts(Path(__file__).with_name("media_names.toml"))

_KILO = 1000
_UNITS = ("B", "KB", "MB", "GB")


def file_note(file: Attachment, units: Sequence[str] = _UNITS, decimal: str = ",") -> str:
    """Kind and size of *file*, as far as known."""
    kind = MEDIA_NAMES.get(file.media_type or "", "")
    size = "" if file.size is None else _format_size(file.size, units, decimal)
    facts = ", ".join(filter(None, (kind, size)))
    return f" ({facts})" if facts else ""


def _format_size(count: float, units: Sequence[str], decimal: str) -> str:
    """Number of bytes for people: `950 B`, `1,2 MB`."""
    unit, *larger = units
    while count >= _KILO and larger:
        count, unit = count / _KILO, larger.pop(0)
    digits = 0 if count >= 10 or count == int(count) else 1
    return f"{count:.{digits}f} {unit}".replace(".", decimal)
