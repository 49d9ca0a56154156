"""`loa completion`: the script by which a shell completes the words of `loa` commands."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.output import page

_SCRIPTS = Path(__file__).parent / "shells"


class Shell(StrEnum):
    """The shells that complete words of `loa`."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_EXAMPLES = (
    "loa completion bash > ~/.local/share/bash-completion/completions/loa",
    "source <(loa completion bash)",
)


@page(examples=_EXAMPLES, on_bus=False)
def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Print the script by which a shell completes commands, options and values."""
    typer.echo((_SCRIPTS / f"loa.{shell}").read_text("utf-8"), nl=False)
