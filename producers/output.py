"""Output of commands: JSON for scripts, texts in English and in Vietnamese for people."""

import json
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import NoReturn

import typer
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from contracts.errors import FieldError

EXIT_INVALID = 2
"""Exit code for invalid input."""
EXIT_MACHINE = 4
"""Exit code for what this machine refuses for now: a full disk, a port that is taken."""
wants_json = ContextVar("wants_json", default=False)
"""Whether the command was called with `--json`; stdout is for one document then."""


def _english() -> bool:
    return False


reads_vietnamese: ContextVar[Callable[[], bool]] = ContextVar("reads_vietnamese", default=_english)
"""Whether the person at the terminal reads Vietnamese first."""


class ErrorAnswer(BaseModel):
    """The answer of every command that ends with an error, under `--json`."""

    errors: list[FieldError]


def fail(*errors: FieldError, code: int = EXIT_INVALID) -> NoReturn:
    """End the command: errors on stderr, under `--json` also as its answer on stdout."""
    print_errors(errors)
    if wants_json.get():
        print_json(ErrorAnswer(errors=list(errors)))
    raise typer.Exit(code) from None


def print_json(value: object) -> None:
    """One JSON document in one line; models in their JSON form."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=_to_json))


def _to_json(value: object) -> object:
    return to_jsonable_python(value, fallback=str)


def in_reading_order(en: str, vi: str) -> tuple[str, str]:
    """The same text twice: first in the language of the person at the terminal."""
    return (vi, en) if reads_vietnamese.get()() else (en, vi)


def in_one_line(en: str, vi: str) -> str:
    return " / ".join(in_reading_order(en, vi))


def print_bilingual(en: str, vi: str, *, err: bool = False) -> None:
    typer.echo("\n".join(in_reading_order(en, vi)), err=err)


def print_field_texts(*texts: FieldError, err: bool = False) -> None:
    """Print field texts on stdout."""
    for entry in texts:
        print_bilingual(
            f"{entry.field}: {entry.message}", f"{entry.field}: {entry.message_vi}", err=err
        )


def print_errors(errors: Iterable[FieldError]) -> None:
    """Print errors on stderr, in both languages."""
    for entry in errors:
        print_field_texts(entry, err=True)
