"""Text catalogs: TOML files with texts in English and Vietnamese."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def load_texts(file: Path) -> dict[str, Any]:
    """The content of a catalog; each file is read once."""
    return tomllib.loads(file.read_text("utf-8"))
