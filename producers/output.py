"""Bilingual output of commands: every text in English and in Vietnamese."""

from collections.abc import Iterable

import typer

from contracts.errors import FieldError

EXIT_INVALID = 2
"""Exit code for invalid input."""


def print_bilingual(en: str, vi: str, *, err: bool = False) -> None:
    typer.echo(f"{en}\n{vi}", err=err)


def print_field_texts(*texts: FieldError, err: bool = False) -> None:
    """Print field texts on stdout."""
    for entry in texts:
        print_bilingual(
            f"{entry.field}: {entry.message}", f"{entry.field}: {entry.message_vi}", err=err
        )


def print_errors(errors: Iterable[FieldError]) -> None:
    """Print errors on stderr."""
    print_field_texts(*errors, err=True)
