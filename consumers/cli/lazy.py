"""Commands that are imported when they are asked for: nobody waits for what they don't use."""

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.main import get_command, get_group

from producers.usage import Group


class Place(NamedTuple):
    """Where a command, or a noun with commands of its own, is written."""

    module: str
    name: str = "app"

    def load(self, called: str) -> Any:
        """The command under the name by which it is *called*."""
        found = getattr(import_module(self.module), self.name)
        if isinstance(found, typer.Typer):
            command: Any = get_group(found)  # without options of its own to install completion
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(called)(found)
            command = get_command(alone)
        command.name = called
        return command


class LazyGroup(Group):
    """Knows its commands by name alone; `places` is the table."""

    places: ClassVar[dict[str, Place]] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 -- the library's signature
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        place = self.places.get(cmd_name)
        return place.load(cmd_name) if place else None
