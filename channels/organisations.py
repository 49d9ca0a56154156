"""Names of organisations, told from names of persons by how they begin."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from contracts.catalog import load_texts

_DEPARTMENT_OF_PROVINCE = re.compile(r"Sở\b.*?\b((?:tỉnh|thành phố) \S.*)")


def is_organisation(name: str) -> bool:
    """Whether *name* begins as the name of an organisation does."""
    return name.casefold().startswith(_beginnings())


def governing_body(authority: str) -> str:
    """The body that *authority* belongs to by law; empty where its name alone does not say it.

    A department of a province (Sở) is part of the province's People's Committee.
    """
    place = _DEPARTMENT_OF_PROVINCE.fullmatch(authority)
    return f"{_texts()['committee']} {place[1]}" if place else ""


def _texts() -> dict[str, Any]:
    return load_texts(Path(__file__).with_suffix(".toml"))


@cache
def _beginnings() -> tuple[str, ...]:
    words = _texts()["beginnings"]
    return tuple(f"{word.casefold()} " for word in words)
