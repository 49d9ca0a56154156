"""Usage errors of commands, by option or argument, in both languages."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from contracts.errors import FieldError, localized, nearest
from producers.command_pages import HelpLanguage, complete_page
from producers.output import fail, reads_vietnamese, wants_json
from producers.texts import catalog

_WHOLE_COMMAND = "command"
click_errors: Any = import_module(typer.BadParameter.__module__)
"""The module of click's error classes, of which typer exports only one."""
KNOWN_MESSAGES = (
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
"""Patterns of click's messages, with the name of the text for each."""


class CommandGroup(TyperGroup):
    """A group of commands that prints usage errors like field errors and exits with code 2."""

    help_language: ClassVar = HelpLanguage()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        complete_page(self, self.help_language)
        with ExitStack() as undo:
            undo.callback(wants_json.reset, wants_json.set("--json" in args))
            language = reads_vietnamese.set(self.help_language.is_vietnamese)
            undo.callback(reads_vietnamese.reset, language)
            with _report_usage_errors():
                rest = super().parse_args(ctx, args)
            ctx.call_on_close(undo.pop_all().close)
        return rest

    def invoke(self, ctx: Any) -> Any:
        with _report_usage_errors():
            return super().invoke(ctx)


@contextmanager
def _report_usage_errors() -> Iterator[None]:
    try:
        yield
    except click_errors.NoArgsIsHelpError:
        raise
    except click_errors.UsageError as wrong:
        fail(_usage_field_error(wrong))


def _usage_field_error(error: Any) -> FieldError:
    """A click error as a field error; an unknown message is kept as it is."""
    code, found = _match_message(error)
    path = error.ctx.command_path if error.ctx else "loa"
    values: dict[str, object] = {name: text.replace("'", "") for name, text in found.items()}
    if code == "no_choice":
        known = tuple(str(values["known"]).split(", "))
        has_commas = any("," in word for word in known)
        values["known"] = tuple(f"'{word}'" for word in known) if has_commas else known
        values["near"] = nearest(str(values["value"]), known)
    return localized(_parameter_name(error), catalog()["usage"][code], **values, path=path)


def _match_message(error: Any) -> tuple[str, dict[str, str]]:
    """The text's name and its placeholder values for a click error."""
    if isinstance(error, click_errors.MissingParameter):
        return "missing", {}
    if isinstance(error, click_errors.NoSuchOption):
        return _with_suggestion("no_option", error.option_name, error.possibilities)
    for pattern, code in KNOWN_MESSAGES:
        if match := re.search(pattern, error.message, re.DOTALL):
            values = match.groupdict()
            if code == "no_command":
                commands = error.ctx.command.list_commands(error.ctx)
                name = values["value"]
                return _with_suggestion(code, name, get_close_matches(name, commands))
            return code, values
    return "other", {"detail": error.message}


def _with_suggestion(code: str, value: str, likely: list[str] | None) -> tuple[str, dict[str, str]]:
    """The text with a suggestion, if there is a similar word."""
    if not likely:
        return code, {"value": value}
    return f"{code}_but", {"value": value, "near": likely[0]}


def _parameter_name(error: Any) -> str:
    """The option or argument in error, else the command as a whole."""
    if option := getattr(error, "option_name", None):
        return str(option)
    parameter = getattr(error, "param", None)
    return max(parameter.opts, key=len) if parameter else _WHOLE_COMMAND
