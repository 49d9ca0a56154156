"""Text catalogs: TOML files with texts in English and Vietnamese."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


class Shown(str):
    """A value in a text. `{count:draft waits|drafts wait}` is the words that fit its number."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        one, bar, many = spec.partition("|")
        return (one if self == "1" else many) if bar else super().__format__(spec)


def count_of(number: int, noun: str) -> str:
    """A number of things in English: `1 row`, `2 rows`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@cache
def load_texts(file: Path) -> dict[str, Any]:
    """The content of a catalog; each file is read once."""
    return tomllib.loads(file.read_text("utf-8"))
