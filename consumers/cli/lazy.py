"""Lazy commands: each module is imported when its command is used."""

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.main import get_command, get_group

from producers.usage_errors import CommandGroup


class CommandPath(NamedTuple):
    """Where a command, or a noun with commands of its own, is written."""

    module: str
    name: str = "app"

    def load(self, word: str) -> Any:
        """The command under the name by which it is *called*."""
        found = getattr(import_module(self.module), self.name)
        if isinstance(found, typer.Typer):
            command: Any = get_group(found)  # without options of its own to install completion
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(word)(found)
            command = get_command(alone)
        command.name = word
        return command


class LazyGroup(CommandGroup):
    """Knows its commands by name alone; `places` is the table."""

    command_paths: ClassVar[dict[str, CommandPath]] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 -- the library's signature
        return list(self.command_paths)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        place = self.command_paths.get(cmd_name)
        return place.load(cmd_name) if place else None
