"""Names of organisations, told from names of persons by how they begin."""

from functools import cache
from pathlib import Path

from contracts.catalog import load_texts


def is_organisation(name: str) -> bool:
    """Whether *name* begins as the name of an organisation does."""
    return name.casefold().startswith(_beginnings())


@cache
def _beginnings() -> tuple[str, ...]:
    words = load_texts(Path(__file__).with_suffix(".toml"))["beginnings"]
    return tuple(f"{word.casefold()} " for word in words)
