"""The commands without loading one: completion of a word for a shell, and their list.

The standard library alone.

`completion.json` beside this file has every command with its options and values, and is written by
`python -m tests.lint.commands`. What an operator may change is read from the data folder.
"""

import json
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_VARIABLE = "_LOA_COMPLETE"
"""Set by the script of `loa completion`: to the shell; the words begun so far are the arguments."""
_COMMANDS = Path(__file__).with_name("completion.json")
_ROOT = Path(__file__).parents[2]
_NOTHING: Mapping[str, Any] = {}
"""Words that follow an unknown command: none."""
_HELP = dict.fromkeys(("--help", "-h"), "Show this message and exit.")
"""The options of every command."""
_VOCABULARY = _ROOT / "contracts" / "vocabulary.toml"
Words = Mapping[str, str]
"""Words that fit, with the help of each."""


def print_completions() -> bool:
    """Print the words that fit what a shell has asked for; False if no shell asks."""
    shell = os.environ.get(_VARIABLE)  # noqa: TID251 - no command runs, and no library is loaded
    if not shell:
        return False
    *before, begun = sys.argv[1:] or [""]
    separator = {"zsh": ":", "fish": "\t"}.get(shell)
    for word, said in find_words(before, begun).items():
        sys.stdout.write(f"{word}{separator}{said}\n" if separator and said else f"{word}\n")
    return True


def summaries() -> Mapping[str, str]:
    """Every command of `loa`, with the first sentence of its help."""
    commands = json.loads(_COMMANDS.read_bytes())["commands"]
    return {name: command["help"] for name, command in commands.items()}


def find_words(before: Iterable[str], begun: str) -> Words:
    """The words that may follow *before*, and begin as *begun* does; none where files may."""
    line = _Line(json.loads(_COMMANDS.read_bytes()))
    for word in before:
        line.read(word)
    option, begun = _split_option(begun)
    if option:
        line.read(option.removesuffix("="))
    found = line.options if begun.startswith("-") and not line.wanted else line.values
    return {f"{option}{word}": said for word, said in found.items() if word.startswith(begun)}


def _split_option(begun: str) -> tuple[str, str]:
    """`--option=` and the value begun behind it; bash, which splits them, leaves `=` alone."""
    if begun == "=":
        return "", ""
    name, is_split, value = begun.partition("=")
    return (f"{name}=", value) if is_split and name.startswith("-") else ("", begun)


class _Line:
    """The part of a command line that has been read."""

    def __init__(self, command: Mapping[str, Any]) -> None:
        self.command = command
        self.wanted: Any = None
        """The values of the option that has been read last, if it takes one."""
        self.arguments = 0

    def read(self, word: str) -> None:
        """Read one more word. Bash splits `--option=value` into three."""
        if word == "=":
            return
        if self.wanted is not None:
            self.wanted = None
        elif word.startswith("-") and word != "-":
            name, is_split, _ = word.partition("=")
            option = self.command.get("options", {}).get(name, "")
            self.wanted = None if is_split or isinstance(option, str) else option[1]
        elif self.commands:
            self.command = self.commands.get(word, _NOTHING)
        else:
            self.arguments += 1

    @property
    def commands(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.command.get("commands", {})
        return found

    @property
    def options(self) -> Words:
        if not self.command:
            return {}
        options = self.command.get("options", {}).items()
        return {n: one if isinstance(one, str) else one[0] for n, one in options} | _HELP

    @property
    def values(self) -> Words:
        """The values of the wanted option, else the commands, else the values of the argument."""
        if self.wanted is not None:
            return dict.fromkeys(_expand(self.wanted), "")
        if self.commands:
            return {name: one["help"] for name, one in self.commands.items()}
        arguments = self.command.get("arguments")
        if not arguments:
            return {}
        return dict.fromkeys(_expand(arguments[min(self.arguments, len(arguments) - 1)]), "")


def _expand(values: Iterable[str]) -> Iterator[str]:
    """The values; for the name of values that an operator may change, those of today."""
    for value in values:
        yield from _CHANGING[value]() if value in _CHANGING else [value]


def _keys(shipped: Path, name: str) -> Callable[[], list[str]]:
    """A function that reads the keys of the table *name* in the operator's file, else *shipped*."""

    def read() -> list[str]:
        folder = Path(os.environ.get("LOA_DATA_DIR") or "var")  # noqa: TID251 - as above
        for path in (folder / shipped.name, shipped):
            try:
                if table := tomllib.loads(path.read_text("utf-8")).get(name):
                    return list(table)
            except (OSError, ValueError):
                continue
        return []

    return read


_CHANGING: Mapping[str, Callable[[], list[str]]] = {
    "UNIT": _keys(_VOCABULARY, "units"),
    "TOPIC": _keys(_VOCABULARY, "topics"),
    "AUDIENCE": _keys(_VOCABULARY, "audiences"),
    "ROLE": _keys(_ROOT / "consumers" / "staff" / "roles.toml", "roles"),
}
