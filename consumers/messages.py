"""Error texts of the consumers' own rules, in English and Vietnamese."""

import os
import re
from errno import errorcode
from functools import cache
from pathlib import Path

from contracts.catalog import load_texts
from contracts.errors import Bilingual, FieldError, localized

Catalog = dict[str, dict[str, str]]
_TIMED_REASON = re.compile(r"(.+) (\d+) s")
_NUMBERED_REASON = re.compile(r"(.+) (\d{3}|[245]\.\d{1,3}\.\d{1,3})")


def load_catalog(name: str) -> Catalog:
    """A catalogue beside this file: code → {en, vi}."""
    return load_texts(Path(__file__).parent / f"{name}.toml")


def field_error(field: str, code: str, **values: object) -> FieldError:
    """A field error with the texts of *code*. Raises KeyError for an unknown code."""
    return localized(field, load_catalog("messages")[code], **values)


def translate(text: str) -> Bilingual:
    """Translate a word or a reason of the code; an unknown one is quoted in Vietnamese.

    A reason may end with a detail after a colon, or with a number.
    """
    translations = _load_translations()
    head, mark, rest = text.partition(": ")
    timed = _TIMED_REASON.fullmatch(text)
    numbered = _NUMBERED_REASON.fullmatch(text)
    if text in translations or not text:
        vi = translations.get(text, text)
    elif mark and head in translations:
        vi = f"{translations[head]}: {translate(rest).vi}"
    elif numbered and numbered[1] in translations:
        vi = f"{translations[numbered[1]]} ({numbered[2]})"
    elif timed and timed[1] in translations:
        vi = f"{translations[timed[1]]} {timed[2]} giây"
    else:
        vi = f"“{text}”"
    return Bilingual(load_catalog("translations")["english"].get(text, text), vi)


@cache
def _load_translations() -> dict[str, str]:
    """Translations of words, and of system errors by name (`enospc`) and by text."""
    catalog = load_catalog("os_errors")
    by_number = {number: catalog[name] for number, name in errorcode.items() if name in catalog}
    by_name = {errorcode[number].lower(): text for number, text in by_number.items()}
    by_text = {os.strerror(number): text for number, text in by_number.items()}
    texts = by_name | by_text | load_catalog("translations")
    return {name: str(text) for name, text in texts.items() if name != "english"}


def translate_os_error(error: Exception) -> Bilingual:
    """Text of a system or bus error; in English its own text."""
    catalog = load_catalog("os_errors")
    names = [errorcode.get(getattr(error, "errno", None) or 0, "")]
    names += [kind.__name__ for kind in type(error).__mro__]
    vi = next((str(catalog[name]) for name in names if name in catalog), str(catalog["other"]))
    place = getattr(error, "filename", None) or getattr(error, "address", None)
    why = translate(getattr(error, "why", "")).vi
    return Bilingual(str(error), ": ".join(f"{part}" for part in (vi, place, why) if part))
