"""Error texts of the consumers' own rules, in English and Vietnamese."""

import tomllib
from errno import errorcode
from functools import cache
from pathlib import Path
from typing import NamedTuple

from contracts.errors import FieldError, worded

Texts = dict[str, dict[str, str]]


@cache
def texts(name: str) -> Texts:
    """A catalogue beside this file: code → {en, vi}."""
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text("utf-8"))


class Told(NamedTuple):
    """A value that has its own words in each language."""

    en: str
    vi: str


def fault(field: str, code: str, **values: object) -> FieldError:
    """Say what is wrong with *field*. Raises KeyError for a code that has no text."""
    told = texts("messages")[code]
    english = {name: one.en if isinstance(one, Told) else one for name, one in values.items()}
    vietnamese = {name: one.vi if isinstance(one, Told) else one for name, one in values.items()}
    said = worded(field, told, **english)
    return said.model_copy(update={"message_vi": worded(field, told, **vietnamese).message_vi})


def trouble(error: Exception) -> Told:
    """What an error of the system or of the bus says; in English that is its own text."""
    known = texts("troubles")
    names = [errorcode.get(getattr(error, "errno", None) or 0, "")]
    names += [one.__name__ for one in type(error).__mro__]
    vi = next((str(known[name]) for name in names if name in known), str(known["other"]))
    file = getattr(error, "filename", None)
    return Told(str(error), f"{vi}: {file}" if file else vi)
