"""Texts that followers read, from `texts.toml`."""

import tomllib
from functools import cache
from pathlib import Path


@cache
def _catalog() -> dict[str, dict[str, str]]:
    return tomllib.loads((Path(__file__).parent / "texts.toml").read_text("utf-8"))


def catalog_text(part: str, name: str, **values: object) -> str:
    """One text with its values filled in."""
    return _catalog()[part][name].format(**values)
