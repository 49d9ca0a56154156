"""The texts of a report: those that ship, and what the data folder's `report.toml` replaces."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from consumers.periodic_reports.contents.own_texts import own_text_errors
from contracts.errors import FieldError, Invalid, Unreadable, field_error

Texts = Mapping[str, Any]
_SHIPPED = Path(__file__).with_name("texts.vi.toml")
REPORT_FILE = "report.toml"


def load_texts(own: Path) -> Texts:
    """The texts, with those of the file *own* if it exists.

    Raises Unreadable, or Invalid, which names each entry; OSError.
    """
    texts = _shipped_texts()
    if not own.exists():
        return texts
    try:
        own_texts = tomllib.loads(own.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unreadable(field_error(REPORT_FILE, "not_toml", detail=error)) from error
    if errors := [*own_text_errors(own_texts, texts)]:
        raise Invalid(*(_named(error) for error in errors))
    return _merged(texts, own_texts)


@cache
def _shipped_texts() -> Texts:
    return tomllib.loads(_SHIPPED.read_text("utf-8"))


def _named(error: FieldError) -> FieldError:
    """*error* with the file in the name of its entry."""
    return error.model_copy(update={"field": f"{REPORT_FILE}.{error.field}"})


def _merged(texts: Texts, own: Texts) -> dict[str, Any]:
    """*texts* with the entries of *own*; tables are merged, all else is replaced."""
    merged = dict(texts)
    for name, value in own.items():
        known = texts.get(name)
        is_table = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(known or {}, value) if is_table else value
    return merged
