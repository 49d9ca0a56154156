"""Error texts of the consumers' own rules, in English and Vietnamese."""

import tomllib
from functools import cache
from pathlib import Path

from contracts.errors import FieldError, worded

Texts = dict[str, dict[str, str]]


@cache
def texts(name: str) -> Texts:
    """A catalogue beside this file: code → {en, vi}."""
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text("utf-8"))


def fault(field: str, code: str, **values: object) -> FieldError:
    """Say what is wrong with *field*. Raises KeyError for a code that has no text."""
    return worded(field, texts("messages")[code], **values)
