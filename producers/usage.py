"""What is wrong with a command's words, said by option or argument and in both languages."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from contracts.errors import FieldError, shown
from producers.printing import INVALID, complain
from producers.wording import say

COMMAND = "command"
library: Any = import_module(typer.BadParameter.__module__)
"""Where the errors of the command line are written, of which typer shows one alone."""
TOLD = (
    (r"No such command '(?P<value>.*?)'\.", "no_command"),
    (r"unexpected extra argument\(s\) \((?P<value>.*)\)", "too_many"),
    (r"requires an argument", "value_missing"),
    (r"does not take a value", "no_value"),
    (r"'(?P<value>.*)' does not exist", "no_file"),
    (r"'(?P<value>.*)' is a directory", "a_folder"),
    (r"'(?P<value>.*)' is not readable", "not_readable"),
    (r"should be a valid integer", "no_number"),
    (r"'(?P<value>.*)' is not one of (?P<known>.*)\.", "no_choice"),
)
"""What the library says, and the name of our words for it."""


class Group(TyperGroup):
    """Commands whose every wrong word is answered as a wrong field is. Exit code 2."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with answered():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with answered():
            return super().invoke(ctx)


@contextmanager
def answered() -> Iterator[None]:
    try:
        yield
    except library.NoArgsIsHelpError:
        raise
    except library.UsageError as wrong:
        complain([explained(wrong)])
        raise typer.Exit(INVALID) from None


def explained(wrong: Any) -> FieldError:
    """One of the library's errors in our words; one that has none keeps its own."""
    code, values = told(wrong)
    path = wrong.ctx.command_path if wrong.ctx else "loa"
    values = {name: shown(value.replace("'", "")) for name, value in values.items()}
    return say("usage", code, **values, path=path).about(field(wrong))


def told(wrong: Any) -> tuple[str, dict[str, str]]:
    """The name of our words, and what they are filled in with."""
    if isinstance(wrong, library.MissingParameter):
        return "missing", {}
    if isinstance(wrong, library.NoSuchOption):
        return near("no_option", wrong.option_name, wrong.possibilities)
    for pattern, code in TOLD:
        if found := re.search(pattern, wrong.message, re.DOTALL):
            values = found.groupdict()
            if code == "no_command":
                known = wrong.ctx.command.list_commands(wrong.ctx)
                return near(code, values["value"], get_close_matches(values["value"], known))
            return code, values
    return "other", {"detail": wrong.message}


def near(code: str, value: str, likely: list[str] | None) -> tuple[str, dict[str, str]]:
    """With what was probably meant, where something was."""
    if not likely:
        return code, {"value": value}
    return f"{code}_but", {"value": value, "near": likely[0]}


def field(wrong: Any) -> str:
    """The option or the argument; else the command as a whole."""
    if named := getattr(wrong, "option_name", None):
        return str(named)
    parameter = getattr(wrong, "param", None)
    return max(parameter.opts, key=len) if parameter else COMMAND
