"""JSON read strictly: no repeated keys, no NaN, no broken text, no deep nesting."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from contracts import text
from contracts.catalog import load_texts
from contracts.errors import (
    WHOLE_EVENT,
    Bilingual,
    FieldError,
    TooLarge,
    Unreadable,
    field_error,
    join_path,
)

MAX_DEPTH = 12
_MESSAGES_FILE = Path(__file__).with_name("json_messages.toml")
"""Messages in both languages by Python's."""


def loads(body: bytes, field: str = WHOLE_EVENT) -> Any:
    """The value in *body*. Raises Unreadable, naming the field (below *field*) where it can."""
    whole = _decoded(body, field)
    value = _parse(whole, field)
    _check_value(whole, value, field)
    return value


def iter_array(body: bytes, entry_bytes: int) -> Iterator[Any]:
    """Yield the entries of a large array one by one, so that the caller can pause in between.

    Raises Unreadable like `loads`, TooLarge for an entry written with more than *entry_bytes*.
    """
    whole = _decoded(body, WHOLE_EVENT)
    at = _after_spaces(whole, 0)
    if whole[at : at + 1] != "[":
        raise Unreadable(field_error(WHOLE_EVENT, "not_array"))
    at = _after_spaces(whole, at + 1)
    number, is_last = 0, whole[at : at + 1] == "]"
    while not is_last:
        written, value = _parse_entry(whole, at, entry_bytes, f"[{number}]")
        yield value
        at = _after_spaces(whole, at + written)
        is_last = whole[at : at + 1] == "]"
        if not is_last and whole[at : at + 1] != ",":
            raise _not_json(json.JSONDecodeError("Expecting ',' delimiter", whole, at))
        number, at = number + 1, at if is_last else _after_spaces(whole, at + 1)
    if (end := _after_spaces(whole, at + 1)) < len(whole):
        raise _not_json(json.JSONDecodeError("Extra data", whole, end))


def _after_spaces(whole: str, at: int) -> int:
    match = _SPACES.match(whole, at)
    return match.end() if match else at


def _parse_entry(whole: str, at: int, limit: int, field: str) -> tuple[int, Any]:
    """The length of the entry that begins at *at*, in characters, and its value.

    Raises Unreadable, TooLarge.
    """
    piece = whole[at : at + limit]
    try:
        value, written = _DECODER.raw_decode(piece)
    except json.JSONDecodeError as error:
        if at + limit < len(whole):
            size = {"size": len(piece), "limit": limit}
            raise TooLarge(field_error(field, "event_too_large", **size)) from error
        raise _not_json(json.JSONDecodeError(error.msg, whole, at + error.pos)) from error
    except RecursionError as error:
        raise Unreadable(field_error(field, "too_deep", limit=MAX_DEPTH)) from error
    except ValueError as error:  # a whole number of thousands of digits
        raise Unreadable(field_error(field, "number", value="…")) from error
    except Unreadable as error:
        raise error.within(field) from error
    _check_value(piece[:written], value, field)
    return written, value


def _check_value(whole: str, value: Any, field: str) -> None:
    """Raise Unreadable, naming a field below *field*, for *value* too deep or with broken text."""
    if not _is_deeper(value, MAX_DEPTH) and _is_sound(_unescaped(whole, value)):
        return
    if error := next(_faults(value, "" if field == WHOLE_EVENT else field, MAX_DEPTH), None):
        raise Unreadable(error)


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON. Raises Unreadable for values that JSON cannot express."""
    try:
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return written.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Unreadable(
            field_error(
                WHOLE_EVENT, "not_json", detail=_translate_json_error(str(error)), line=1, column=1
            )
        ) from error


def _decoded(body: bytes, field: str) -> str:
    if body.startswith(_UTF_16_STARTS):
        raise Unreadable(field_error(field, "utf16"))
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(field_error(field, "not_utf8", position=error.start + 1)) from error


def _parse(body: str, field: str) -> Any:
    try:
        return _DECODER.decode(body)
    except json.JSONDecodeError as error:
        if not body.strip():
            raise Unreadable(field_error(field, "empty")) from error
        raise _not_json(error, field) from error
    except RecursionError as error:
        raise Unreadable(field_error(field, "too_deep", limit=MAX_DEPTH)) from error
    except ValueError as error:  # a whole number of thousands of digits
        raise Unreadable(field_error(field, "number", value="…")) from error


def _not_json(error: json.JSONDecodeError, field: str = WHOLE_EVENT) -> Unreadable:
    where = {"line": error.lineno, "column": error.colno}
    return Unreadable(
        field_error(field, "not_json", detail=_translate_json_error(error.msg), **where)
    )


def _translate_json_error(message: str) -> Bilingual:
    """Meaning of an error message of Python's json, in both languages."""
    texts = load_texts(_MESSAGES_FILE)
    return Bilingual(**texts.get(message, {"en": message, "vi": texts["other"]}))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable(field_error(twice, "duplicate_key"))
    return members


def _no_number(constant: str) -> NoReturn:
    raise Unreadable(field_error(WHOLE_EVENT, "number", value=constant))


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        _no_number(digits)
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite
)
_UTF_16_STARTS = (b"\xff\xfe", b"\xfe\xff", b"{\0", b"[\0", b"\0{", b"\0[")
"""With a byte order mark, or without one before an object or a list."""
_SPACES = re.compile(r"[ \t\n\r]*")


def _unescaped(whole: str, value: Any) -> str:
    """*whole*, in which *value* was written, with its characters as they are."""
    return json.dumps(value, ensure_ascii=False) if "\\u" in whole else whole


def _is_sound(whole: str) -> bool:
    """Whether no text in *whole* can be broken, so that none has to be looked at by itself."""
    halves = any("\ud800" <= letter <= "\udfff" for letter in set(whole))
    return not halves and text.stacked_marks(whole) is None


def _is_deeper(value: Any, limit: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not limit or any(_is_deeper(child, limit - 1) for child in inner)


def _faults(value: Any, path: str, depth: int) -> Iterator[FieldError]:
    """Yield the errors of all texts and containers inside *value*."""
    if isinstance(value, str):
        yield from _broken_text(value, path)
    elif isinstance(value, dict | list):
        if not depth:
            yield field_error(path or WHOLE_EVENT, "too_deep", limit=MAX_DEPTH)
            return
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            yield from _faults(inner, join_path(path, key), depth - 1)
            yield from _broken_text(str(key), path)


def _broken_text(value: str, path: str) -> Iterator[FieldError]:
    field = path or WHOLE_EVENT
    if text.stacked_marks(value) is not None:
        yield field_error(field, "stacked_marks", limit=text.MARKS_MAX)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(value[error.start]):04X}"
        yield field_error(field, "surrogate", character=half, position=error.start + 1)
