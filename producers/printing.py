"""How every command says something of a field to people: in English and in Vietnamese."""

from collections.abc import Iterable

import typer

from contracts.errors import FieldError

INVALID = 2
"""The exit code for what was asked wrongly."""


def print_both(en: str, vi: str, *, err: bool = False) -> None:
    typer.echo(f"{en}\n{vi}", err=err)


def print_said(*said: FieldError, err: bool = False) -> None:
    """What the answer says of something, on stdout."""
    for one in said:
        print_both(f"{one.field}: {one.message}", f"{one.field}: {one.message_vi}", err=err)


def complain(errors: Iterable[FieldError]) -> None:
    """What is wrong, on stderr."""
    print_said(*errors, err=True)
