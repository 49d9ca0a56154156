"""The help pages of commands: exit codes, examples, and the model of the `--json` answer."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Annotated, Any, TypeVar

import typer

from producers.command_pages.language import SETTINGS, HelpLanguage
from producers.output import EXIT_INVALID

EXIT_NEEDS_PERSON = 1
EXIT_BUS_AWAY = 3
_EXIT_CODES: Mapping[int, str] = {
    0: "done",
    EXIT_INVALID: "wrong input, or refused",
    EXIT_BUS_AWAY: "the bus is away, or there is no store",
}
"""The exit codes that nearly every command has; a page says what else one means there."""
_DISTRIBUTIONS = ("loa", "loa-client")
_PAGE = "__page__"
T = TypeVar("T", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class _Page:
    """The facts of a command's help page besides its texts.

    *answer*: the type of its `--json` answer, None for a command without `--json`. *is_stream*: it
    prints JSON Lines, one *answer* a line.
    """

    answer: Any
    codes: Mapping[int, str]
    examples: tuple[str, ...]
    is_stream: bool

    @property
    def epilog(self) -> str:
        """The examples, then the exit codes."""
        examples = "".join(f"  {example}\n" for example in self.examples)
        codes = "".join(f"  {code}  {meaning}\n" for code, meaning in sorted(self.codes.items()))
        return (f"Examples:\n{examples}\n" if examples else "") + f"Exit codes:\n{codes}"


def page(
    answer: Any = None,
    codes: Mapping[int, str] | None = None,
    examples: tuple[str, ...] = (),
    *,
    on_bus: bool = True,
    is_stream: bool = False,
) -> Callable[[T], T]:
    """Declare a command's page. *codes*: exit codes that mean more here, or no other command has.

    Without *on_bus* the command needs no bus.
    """
    usual = (0, EXIT_INVALID, EXIT_BUS_AWAY) if on_bus else (0, EXIT_INVALID)
    meanings = {code: _EXIT_CODES[code] for code in usual} | dict(codes or {})
    declared = _Page(answer, meanings, examples, is_stream)

    def declare(command: T) -> T:
        setattr(command, _PAGE, declared)
        return command

    return declare


def page_of(command: Any) -> _Page | None:
    """The page that a command has declared."""
    return getattr(command.callback, _PAGE, None)


def complete_page(command: Any, language: HelpLanguage) -> Any:
    """*command*, and those below it: exit codes, names of values, the language."""
    for _, each in walk(command):
        if declared := page_of(each):
            each.epilog = declared.epilog
        paragraphs = (each.help or "").split("\n\n")
        each.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        each.format_help = partial(language.format_page, each)
        for parameter in (*each.params, each.get_help_option(SimpleNamespace(**SETTINGS))):
            if parameter.metavar is None:
                parameter.metavar = _value_name(parameter)
            if parameter.param_type_name == "argument" and parameter.metavar:
                parameter.display_type_rich = _no_type
    return command


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """*command* and all below it, each with the words that call it."""
    yield path, command
    for name in getattr(command, "commands", ()):
        yield from walk(command.commands[name], (*path, name))


def _no_type(ctx: Any) -> None:
    """A named argument says nothing by being called a string."""


def _value_name(parameter: Any) -> str | None:
    """The name of a parameter's value; None where all values that are allowed are listed."""
    if getattr(parameter, "is_flag", False):
        return ""
    return None if values_of(parameter) else parameter.name.upper()


def values_of(parameter: Any) -> list[str]:
    """The only values that a parameter takes; none where others are allowed."""
    described = getattr(parameter, "type_descriptor", None)  # the client's typer may be another
    if described is None or not described.is_choice:
        return []
    return [str(getattr(choice, "value", choice)) for choice in described.choices]


def _print_version(wanted: bool) -> None:
    """Print the version of this program, and end."""
    if not wanted:
        return
    for name in _DISTRIBUTIONS:
        try:
            typer.echo(f"loa {version(name)}")
        except PackageNotFoundError:
            continue
        raise typer.Exit
    typer.echo("loa (not installed as a package)")
    raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
    ),
]
