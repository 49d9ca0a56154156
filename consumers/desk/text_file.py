"""A text in a file: an event's data as JSON, or Markdown behind its other fields in TOML.

The Markdown form, whose fields are those of the contract:

    +++
    title = "..."
    topic = "viec-lam"
    +++
    The body.
"""

import re
import tomllib
from datetime import date, datetime
from typing import Any

from consumers.messages import field_error
from contracts import errors
from contracts.base import strict_json
from contracts.errors import WHOLE_EVENT, Invalid, Unreadable

_FENCE = "+++"
_BODY = "body"
_LINE = re.compile(r"\(at line (\d+),")
"""The line in an error of tomllib, which names none at the end of the text."""


def read_text_file(content: bytes) -> dict[str, Any]:
    """The data of the event in a file. Raises Invalid, Unreadable."""
    if content.lstrip().startswith(b"{"):
        return _object(strict_json.loads(content))
    try:
        text = content.decode("utf-8").replace("\r\n", "\n").removeprefix("\ufeff")
        return _read_markdown(text)
    except UnicodeDecodeError as error:
        position = error.start + 1
        raise Invalid(errors.field_error("file", "not_utf8", position=position)) from error


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(errors.field_error(WHOLE_EVENT, "not_object"))
    data = value.get("data", value)
    return dict(data) if isinstance(data, dict) else dict(value)


def _read_markdown(text: str) -> dict[str, Any]:
    first, _, rest = text.partition("\n")
    fields, end, body = rest.partition(f"\n{_FENCE}\n")
    if first.strip() != _FENCE or not end:
        raise Invalid(field_error("file", "text_file_unreadable", detail=_FENCE))
    try:
        read = {name: _as_json(value) for name, value in tomllib.loads(fields).items()}
    except tomllib.TOMLDecodeError as error:
        named = _LINE.search(str(error))
        line = int(named[1]) if named else fields.count("\n") + 1
        raise Invalid(field_error("file", "text_file_no_toml", line=line + 1)) from error
    return {**read, _BODY: body.strip("\n")}


def _as_json(value: Any) -> Any:
    """A value of TOML as JSON has it: a time with its zone as text."""
    if isinstance(value, list):
        return [_as_json(one) for one in value]
    if isinstance(value, dict):
        return {name: _as_json(one) for name, one in value.items()}
    return value.isoformat() if isinstance(value, datetime | date) else value
