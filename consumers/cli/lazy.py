"""Commands that are imported when they are asked for: nobody waits for what they don't use."""

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.main import get_command

from producers.usage import Group


class Place(NamedTuple):
    """Where a command, or a noun with commands of its own, is written."""

    module: str
    name: str = "app"

    def load(self, called: str) -> Any:
        """The command under the name by which it is *called*."""
        found = getattr(import_module(self.module), self.name)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(called)(function)
        command = get_command(found)
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
