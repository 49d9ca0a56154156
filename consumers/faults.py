"""Error texts of the consumers' own rules, in English and Vietnamese."""

import tomllib
from functools import cache
from pathlib import Path

from contracts.errors import FieldError

LONGEST = 100
Texts = dict[str, dict[str, str]]


@cache
def texts(name: str) -> Texts:
    """A catalogue beside this file: code → {en, vi}."""
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text("utf-8"))


def fault(field: str, code: str, **values: object) -> FieldError:
    """Say what is wrong with *field*. Raises KeyError for a code that has no text."""
    text = texts("messages")[code]
    said = {name: _shown(str(value)) for name, value in values.items()}
    return FieldError(
        field=field, message=text["en"].format(**said), message_vi=text["vi"].format(**said)
    )


def _shown(value: str) -> str:
    visible = "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in value[:LONGEST])
    return visible if len(value) <= LONGEST else visible + "…"
