"""The variables of this process, and those of a `.env` file."""

import os
import re
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from consumers.messages import field_error, translate_os_error
from contracts.errors import Invalid

DOTENV = Path(".env")
_LOA_LINE = re.compile(r"(?:export\s+)?'?LOA_", re.I)


def environment() -> dict[str, str | None]:
    """The environment's variables, and those of `.env` besides. Raises Invalid."""
    return {**dotenv_variables(), **real_environment()}


def dotenv_variables() -> dict[str, str | None]:
    """The variables of `.env`. Raises Invalid for a file or a line of Loa that can't be read."""
    try:
        if not DOTENV.is_file():
            return dotenv_values(DOTENV)
        return dotenv_values(stream=StringIO(_readable_part(DOTENV.read_text("utf-8"))))
    except UnicodeDecodeError as wrong:
        line, file = wrong.object.count(b"\n", 0, wrong.start) + 1, DOTENV.absolute()
        raise Invalid(field_error(".env", "dotenv_not_utf8", line=line, file=file)) from wrong
    except OSError as error:
        detail = translate_os_error(error)
        raise Invalid(field_error(".env", "file_broken", detail=detail)) from error


def _readable_part(text: str) -> str:
    """*text* without foreign lines of another form. Raises Invalid with each such line of Loa.

    Its name is not told: where the `=` is missing, a secret may follow at once.
    """
    lines = [*parse_stream(StringIO(text))]
    broken = [one.original for one in lines if one.error or (one.key and one.value is None)]
    own = [one.line for one in broken if _LOA_LINE.match(one.string.strip())]
    if own:
        file = DOTENV.absolute()
        raise Invalid(*(field_error(".env", "dotenv_line", line=one, file=file) for one in own))
    return "".join(one.original.string for one in lines if not one.error)


def real_environment() -> dict[str, str]:
    """The environment's variables, without those of `.env`."""
    return dict(os.environ)  # noqa: TID251 -- this is the one place
