"""Help pages in the language of the reader: English as the code has it, or Vietnamese."""

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SETTINGS = {"help_option_names": ["-h", "--help"]}
"""The context settings of a program."""
_VARIABLE = "LOA_LANGUAGE"
_LANGUAGES = ("en", "vi")
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
_CATALOG = Path(__file__).with_name("help.vi.toml")
_EPILOG_LINE = re.compile(r"^(  \d  )?(.+)$", re.M)
TYPER_WORDS = (
    "ARGUMENTS_PANEL_TITLE",
    "COMMANDS_PANEL_TITLE",
    "DEFAULT_STRING",
    "OPTIONS_PANEL_TITLE",
    "REQUIRED_LONG_STRING",
)
"""Names of typer's own words on a help page."""
Translate = Callable[[str], str]
Variables = Mapping[str, str | None]


def _environment() -> Variables:
    return os.environ  # noqa: TID251 - the client has no other settings


@dataclass(frozen=True, slots=True)
class HelpLanguage:
    """The language of a program's help and errors, and the help's texts, read when one is shown."""

    catalogs: tuple[Path, ...] = (_CATALOG,)
    read_variables: Callable[[], Variables] = _environment

    def format_page(self, command: Any, context: Any, formatter: Any) -> None:
        """Print the help page of *command*."""
        print_page = partial(type(command).format_help, command, context, formatter)
        if not self.is_vietnamese():
            print_page()
            return
        translate = partial(_translate, self.texts())
        translate_page(command, translate)
        with _typer_words(translate):
            print_page()

    def is_vietnamese(self) -> bool:
        return prefers_vietnamese(self.read_variables())

    def texts(self) -> dict[str, str]:
        """English → Vietnamese, of all commands."""
        return {en: vi for path in self.catalogs for en, vi in _load(path).items()}


@cache
def _load(catalog: Path) -> Mapping[str, str]:
    tables: dict[str, dict[str, str]] = tomllib.loads(catalog.read_text("utf-8"))
    return {en: vi for texts in tables.values() for en, vi in texts.items()}


def prefers_vietnamese(variables: Variables) -> bool:
    """Whether a reader wants Vietnamese: by LOA_LANGUAGE, else by the locale for messages."""
    chosen = variables.get(_VARIABLE)
    if chosen in _LANGUAGES:
        return chosen == "vi"
    locale = next((value for name in _LOCALE if (value := variables.get(name))), "")
    return re.match(r"vi(?![a-z])", locale, re.IGNORECASE) is not None


def translate_page(command: Any, translate: Translate) -> None:
    """Replace the texts on the help page of *command*; one that is replaced already stays."""
    listed = getattr(command, "commands", {}).values()
    for one in (command, *listed):
        one.help = "\n\n".join(translate(text) for text in (one.help or "").split("\n\n"))
        if one.rich_help_panel:
            one.rich_help_panel = translate(str(one.rich_help_panel))
    for parameter in (*command.params, command.get_help_option(SimpleNamespace(**SETTINGS))):
        parameter.help = translate(parameter.help)
    command.epilog = _EPILOG_LINE.sub(
        lambda line: (line[1] or "") + translate(line[2]), command.epilog or ""
    )
    command.options_metavar = translate(command.options_metavar)
    if listed:
        command.subcommand_metavar = translate(command.subcommand_metavar)
    command.format_usage = partial(_format_usage, command, translate("Usage: "))


def _translate(texts: Mapping[str, str], text: str) -> str:
    return texts.get(text, text)


def _format_usage(command: Any, prefix: str, context: Any, formatter: Any) -> None:
    pieces = command.collect_usage_pieces(context)
    formatter.write_usage(context.command_path, " ".join(pieces), prefix)


@contextmanager
def _typer_words(translate: Translate) -> Iterator[None]:
    """Have typer use translated words; those that this typer does not have are left out."""
    from typer import rich_utils  # only for a page

    before = {name: getattr(rich_utils, name, "") for name in TYPER_WORDS}
    try:
        for name, text in before.items():
            setattr(rich_utils, name, translate(text))
        yield
    finally:
        for name, text in before.items():
            setattr(rich_utils, name, text)
