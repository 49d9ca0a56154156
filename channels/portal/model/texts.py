"""The portal's catalogue of Vietnamese texts, read from `texts.toml`."""

import tomllib
from pathlib import Path
from typing import Any

TEXTS: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("texts.toml").read_text("utf-8")
)


def catalog_text(section: str, key: str, **values: str) -> str:
    """One text of the catalogue with its placeholders filled. Raises KeyError."""
    text: str = TEXTS[section][key]
    return text.format(**values) if values else text
