"""Texts that followers read, from `texts.toml`."""

from pathlib import Path

from contracts.catalog import load_texts


def catalog_text(part: str, name: str, **values: object) -> str:
    """One text with its values filled in."""
    text: str = load_texts(Path(__file__).with_name("texts.toml"))[part][name]
    return text.format(**values)
