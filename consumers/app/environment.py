"""The variables of this process, and those of a `.env` file."""

import os

from dotenv import dotenv_values


def environment() -> dict[str, str | None]:
    """The environment's variables, and those of `.env` besides."""
    return {**dotenv_values(".env"), **real_environment()}


def real_environment() -> dict[str, str]:
    """The environment's variables, without those of `.env`."""
    return dict(os.environ)  # noqa: TID251 -- this is the one place
