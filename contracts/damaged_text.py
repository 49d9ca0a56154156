"""Errors and warnings about texts of an event that were damaged before they were sent, by field.

A text that was misread for the most part, or is in an old encoding, is refused; everything less
certain is a warning. The doors judge new events so; an accepted event is not judged again.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel

from contracts.errors import FieldError, FieldWarning, damage_error, field_warning, join_path
from contracts.text.lost_marks import find_lost_marks
from contracts.text.misread_utf8 import find_misread

_Path = tuple[str | int, ...]
_MARKDOWN: frozenset[_Path] = frozenset({("data", "body")})
_MOST_TEXTS = 64
"""More texts with letters beyond ASCII than a valid event has."""
_CONTAINERS = (dict, list, tuple, BaseModel)


def damage_errors(data: Mapping[str, Any]) -> Iterator[FieldError]:
    """The errors of texts in *data*, as the sender wrote it, that are damaged for the most part.

    Of more texts than an event can have, the first are judged.
    """
    marked = ((path, text) for path, text in _texts(data, ("data",)) if not text.isascii())
    for path, text in islice(marked, _MOST_TEXTS):
        if error := damage_error(join_path(*path), text):
            yield error


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
