"""Texts of producers for people, in English and Vietnamese, from `texts.toml`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.catalog import Shown, load_texts
from contracts.errors import Bilingual, FieldError, in_both_languages, nearest, printable

_TEXTS_FILE = Path(__file__).with_name("texts.toml")


def catalog() -> dict[str, dict[str, dict[str, str]]]:
    """All texts: part → name → {en, vi}."""
    return load_texts(_TEXTS_FILE)


def get_text(part: str, name: str, /, **values: Any) -> Bilingual:
    """The text *name* of *part*, placeholders filled. Raises KeyError for an unknown text."""
    texts = catalog()[part][name]
    pairs = {key: in_both_languages(value) for key, value in values.items()}
    en, vi = ({key: Shown(pair[it]) for key, pair in pairs.items()} for it in (0, 1))
    return Bilingual(texts["en"].format(**en), texts["vi"].format(**vi))


def unknown_schema(name: str, names: Sequence[str]) -> FieldError:
    """The error of a *name* that is none of the schemas' *names*."""
    words = {"name": printable(name), "known": ", ".join(names), "near": nearest(name, names)}
    return get_text("cli", "no_schema", **words).as_field_error("name")
