"""What the doors say to people, in English and Vietnamese; the texts live in `wording.toml`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from contracts.errors import FieldError


class Saying(NamedTuple):
    """One text in both languages."""

    en: str
    vi: str

    def about(self, field: str) -> FieldError:
        """The text as an error that names *field*."""
        return FieldError(field=field, message=self.en, message_vi=self.vi)


@cache
def catalogue() -> dict[str, dict[str, dict[str, str]]]:
    """Every text: part → name → {en, vi}."""
    return tomllib.loads((Path(__file__).parent / "wording.toml").read_text("utf-8"))


def say(part: str, name: str, /, **values: Any) -> Saying:
    """The text *name* of *part*, filled in. Raises KeyError for a text that does not exist."""
    texts = catalogue()[part][name]
    return Saying(texts["en"].format(**values), texts["vi"].format(**values))
