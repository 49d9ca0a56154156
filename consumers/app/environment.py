"""The variables of this process, and those of a `.env` file."""

import os
from pathlib import Path

from dotenv import dotenv_values

from consumers.messages import field_error, translate_os_error
from contracts.errors import Invalid

DOTENV = Path(".env")


def environment() -> dict[str, str | None]:
    """The environment's variables, and those of `.env` besides. Raises Invalid."""
    return {**dotenv_variables(), **real_environment()}


def dotenv_variables() -> dict[str, str | None]:
    """The variables of `.env`. Raises Invalid for one that can't be read, or is not UTF-8."""
    try:
        return dotenv_values(DOTENV)
    except UnicodeDecodeError as wrong:
        line, file = wrong.object.count(b"\n", 0, wrong.start) + 1, DOTENV.absolute()
        raise Invalid(field_error(".env", "dotenv_not_utf8", line=line, file=file)) from wrong
    except OSError as error:
        detail = translate_os_error(error)
        raise Invalid(field_error(".env", "file_broken", detail=detail)) from error


def real_environment() -> dict[str, str]:
    """The environment's variables, without those of `.env`."""
    return dict(os.environ)  # noqa: TID251 -- this is the one place
