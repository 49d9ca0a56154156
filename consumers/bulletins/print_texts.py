"""Texts of an issue in print alone: the texts that ship, and an operator's own."""

import tomllib
from pathlib import Path
from string import Formatter
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from consumers import messages
from contracts.catalog import load_texts
from contracts.errors import Invalid, Unreadable, explain, field_error

PRINT_FILE = "bulletin.toml"
"""Its entries in the data folder replace those that ship."""
_SHIPPED = Path(__file__).with_name("print.vi.toml")
_Line = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200)]
_FILLINGS = ("number", "year", "first", "last")


class PrintTexts(BaseModel):
    """`draft` lies under a text that readers do not have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: _Line
    number_line: _Line
    draft: _Line


def load_print_texts(own: Path | None = None) -> PrintTexts:
    """The texts, with those of the file *own* if it exists.

    Raises OSError; Unreadable or Invalid, naming file and entry.
    """
    text = own.read_text("utf-8") if own and own.exists() else ""
    try:
        texts = PrintTexts.model_validate(load_texts(_SHIPPED) | tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(field_error(PRINT_FILE, "not_toml", detail=error)) from error
    except ValidationError as error:
        raise Invalid(*explain(error, PRINT_FILE)) from error
    if strange := _strange_filling(texts.number_line):
        known = ", ".join(f"{{{one}}}" for one in _FILLINGS)
        where = f"{PRINT_FILE}.number_line"
        raise Invalid(messages.field_error(where, "report_text_braces", value=strange, known=known))
    return texts


def _strange_filling(line: str) -> str:
    """Name in braces that can't be filled in, or the whole line; empty for none."""
    try:
        line.format(**dict.fromkeys(_FILLINGS, ""))
    except (KeyError, IndexError, ValueError, AttributeError):
        names = [name for _, name, _, _ in _parsed(line) if name not in (None, *_FILLINGS)]
        return str(names[0]) if names and names[0] else line
    return ""


def _parsed(line: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(Formatter().parse(line))
    except ValueError:
        return []
