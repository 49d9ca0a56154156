"""Error texts of the consumers' own rules, in English and Vietnamese."""

import os
import re
import tomllib
from errno import errorcode
from functools import cache
from pathlib import Path

from contracts.errors import Bilingual, FieldError, localized

Catalog = dict[str, dict[str, str]]
NUMBERED_REASON = re.compile(r"(.+) (\d{3}|[245]\.\d{1,3}\.\d{1,3})")


@cache
def load_catalog(name: str) -> Catalog:
    """A catalogue beside this file: code → {en, vi}."""
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text("utf-8"))


def field_error(field: str, code: str, **values: object) -> FieldError:
    """A field error with the texts of *code*. Raises KeyError for an unknown code."""
    return localized(field, load_catalog("messages")[code], **values)


def translate(text: str) -> Bilingual:
    """Translate a word or a reason of the code; an unknown one is quoted.

    A reason may end with a detail after a colon, or with a number.
    """
    known = load_translations()
    head, mark, rest = text.partition(": ")
    numbered = NUMBERED_REASON.fullmatch(text)
    if text in known or not text:
        vi = known.get(text, text)
    elif mark and head in known:
        vi = f"{known[head]}: {translate(rest).vi}"
    elif numbered and numbered[1] in known:
        vi = f"{known[numbered[1]]} ({numbered[2]})"
    else:
        vi = f"“{text}”"
    return Bilingual(text, vi)


@cache
def load_translations() -> dict[str, str]:
    """Translations of words, and of system errors by name (`enospc`) and by text."""
    known = load_catalog("os_errors")
    numbered = {number: known[name] for number, name in errorcode.items() if name in known}
    named = {errorcode[number].lower(): one for number, one in numbered.items()}
    told = {os.strerror(number): one for number, one in numbered.items()}
    return {name: str(one) for name, one in (named | told | load_catalog("translations")).items()}


def translate_os_error(error: Exception) -> Bilingual:
    """Text of a system or bus error; in English its own text."""
    known = load_catalog("os_errors")
    names = [errorcode.get(getattr(error, "errno", None) or 0, "")]
    names += [one.__name__ for one in type(error).__mro__]
    vi = next((str(known[name]) for name in names if name in known), str(known["other"]))
    file = getattr(error, "filename", None)
    return Bilingual(str(error), f"{vi}: {file}" if file else vi)
