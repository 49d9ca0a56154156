"""Errors and warnings about texts of an event that were damaged before they were sent, by field.

A text that was misread for the most part is refused; everything less certain is a warning.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from contracts.errors import FieldError, FieldWarning, field_error, field_warning, join_path
from contracts.text.lost_marks import find_lost_marks
from contracts.text.misread_utf8 import find_misread

_Path = tuple[str | int, ...]
_MARKDOWN: frozenset[_Path] = frozenset({("data", "body")})
_CONTAINERS = (dict, list, tuple, BaseModel)


def damage_errors(data: Mapping[str, Any]) -> Iterator[FieldError]:
    """The errors of the texts in *data*, as the sender wrote it, that are misread UTF-8."""
    for path, text in _texts(data, ("data",)):
        if (found := find_misread(text)) and found.is_most:
            values = {"encoding": found.encoding, "reading": found.reading}
            yield field_error(join_path(*path), "misread_utf8", **values)


def damage_warnings(content: Mapping[str, Any]) -> Iterator[FieldWarning]:
    """The warnings of the fields *content*, one of each sort for a field."""
    for path, text in _texts(content, ("data",)):
        if found := find_misread(text):
            values = {"encoding": found.encoding, "word": found.word}
            yield field_warning(join_path(*path), "misread_words", **values)
        for lost in find_lost_marks(text, is_markdown=path in _MARKDOWN):
            yield field_warning(join_path(*path), lost.code, word=lost.word, reading=lost.reading)


def _texts(value: object, path: _Path) -> Iterator[tuple[_Path, str]]:
    """The texts inside *value*, each with its path; names of fields are none."""
    for name, inner in _entries(value):
        if isinstance(inner, str):
            yield (*path, name), inner
        elif isinstance(inner, _CONTAINERS):
            yield from _texts(inner, (*path, name))


def _entries(value: object) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, list | tuple):
        return enumerate(value)
    return value.items() if isinstance(value, dict) else vars(value).items()
