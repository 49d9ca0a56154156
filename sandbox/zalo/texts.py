"""Vietnamese texts of the sandbox, from texts.toml."""

import tomllib
from pathlib import Path

TEXTS: dict[str, dict[str, str]] = tomllib.loads(
    Path(__file__).with_name("texts.toml").read_text("utf-8")
)
DEFAULT_NAME = TEXTS["person"]["name"]
