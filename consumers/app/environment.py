"""The variables of this process, and those of a `.env` file."""

import os
import re
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from consumers.messages import field_error, translate_os_error
from contracts.errors import FieldError, Invalid

DOTENV = Path(".env")
_LOA_VARIABLE = re.compile(r"LOA_\w+", re.I)


def environment() -> dict[str, str | None]:
    """The environment's variables, and those of `.env` besides. Raises Invalid."""
    return {**dotenv_variables(), **real_environment()}


def dotenv_variables() -> dict[str, str | None]:
    """The variables of `.env`. Raises Invalid for a file or a line that can't be read."""
    try:
        if DOTENV.is_file():
            _require_form(DOTENV.read_text("utf-8"))
        return dotenv_values(DOTENV)
    except UnicodeDecodeError as wrong:
        line, file = wrong.object.count(b"\n", 0, wrong.start) + 1, DOTENV.absolute()
        raise Invalid(field_error(".env", "dotenv_not_utf8", line=line, file=file)) from wrong
    except OSError as error:
        detail = translate_os_error(error)
        raise Invalid(field_error(".env", "file_broken", detail=detail)) from error


def _require_form(text: str) -> None:
    """Raises Invalid with each line that the library would skip, without its value."""
    lines = [
        one.original
        for one in parse_stream(StringIO(text))
        if one.error or (one.key and one.value is None)
    ]
    if lines:
        raise Invalid(*(_line_error(one.line, one.string) for one in lines))


def _line_error(line: int, text: str) -> FieldError:
    name = _LOA_VARIABLE.match(text.strip())
    return field_error(".env", "dotenv_line", line=line, name=name[0] if name else "?")


def real_environment() -> dict[str, str]:
    """The environment's variables, without those of `.env`."""
    return dict(os.environ)  # noqa: TID251 -- this is the one place
