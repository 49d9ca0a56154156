"""Texts of producers for people, in English and Vietnamese, from `texts.toml`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from contracts.errors import FieldError


class BilingualText(NamedTuple):
    """One text in both languages."""

    en: str
    vi: str

    def as_field_error(self, field: str) -> FieldError:
        """A FieldError of *field* with this text."""
        return FieldError(field=field, message=self.en, message_vi=self.vi)


@cache
def catalog() -> dict[str, dict[str, dict[str, str]]]:
    """All texts: part → name → {en, vi}."""
    return tomllib.loads((Path(__file__).parent / "texts.toml").read_text("utf-8"))


def get_text(part: str, name: str, /, **values: Any) -> BilingualText:
    """The text *name* of *part* with its placeholders filled.

    Raises KeyError for an unknown text.
    """
    texts = catalog()[part][name]
    return BilingualText(texts["en"].format(**values), texts["vi"].format(**values))
