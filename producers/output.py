"""How every command says something of a field to people: in English and in Vietnamese."""

from collections.abc import Iterable

import typer

from contracts.errors import FieldError

EXIT_INVALID = 2
"""The exit code for what was asked wrongly."""


def print_bilingual(en: str, vi: str, *, err: bool = False) -> None:
    typer.echo(f"{en}\n{vi}", err=err)


def print_field_texts(*said: FieldError, err: bool = False) -> None:
    """What the answer says of something, on stdout."""
    for one in said:
        print_bilingual(f"{one.field}: {one.message}", f"{one.field}: {one.message_vi}", err=err)


def print_errors(errors: Iterable[FieldError]) -> None:
    """What is wrong, on stderr."""
    print_field_texts(*errors, err=True)
