"""What a digest is called, in its own mail and in those that correct what it said."""

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

from channels.email.letter import TEMPLATES, Look, texts
from contracts.digest import dated, rhythm


@cache
def catalogue() -> Mapping[str, Any]:
    return tomllib.loads((TEMPLATES / "digest.toml").read_text("utf-8"))


def title(digest_id: str) -> str:
    """The name of a digest as its readers know it."""
    said = catalogue()[rhythm(digest_id)]["title"]
    return str(said.format(day=f"{dated(digest_id):%d/%m/%Y}"))


def corrected(look: Look, digest_id: str) -> str:
    """How a mail begins that takes the place of what a digest said."""
    return str(texts()["digest_looks"][look].format(digest=title(digest_id)))
