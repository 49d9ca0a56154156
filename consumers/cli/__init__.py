"""The `loa` command: one small file per noun."""

import gc
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.main import get_command, get_group

from consumers.app.settings import LoaSettings, read_settings
from consumers.runtime import log_config, stdio
from producers import cli as client
from producers.output import print_errors
from producers.usage_errors import CommandGroup

_CLI_PACKAGE = "consumers.cli"


class CommandPath(NamedTuple):
    """The module of a command, or of a group of commands."""

    module: str
    name: str = "app"

    def load(self, word: str) -> Any:
        """Load the command that is called as *word*."""
        target = getattr(import_module(self.module), self.name)
        if isinstance(target, typer.Typer):
            command: Any = get_group(target)  # without options of its own to install completion
        else:
            single = typer.Typer(add_completion=False)
            single.command(word)(target)
            command = get_command(single)
        command.name = word
        return command


class Commands(CommandGroup):
    """Every command of `loa`, in the order of its help; each is imported when it is used."""

    command_paths: ClassVar = {
        "up": CommandPath(f"{_CLI_PACKAGE}.run", "up"),
        "run": CommandPath(f"{_CLI_PACKAGE}.run", "run"),
        "publish": CommandPath("producers.cli", "publish"),
        "validate": CommandPath("producers.cli", "validate"),
        "schemas": CommandPath("producers.cli", "schemas"),
        "trace": CommandPath(f"{_CLI_PACKAGE}.items", "trace"),
        "withdraw": CommandPath(f"{_CLI_PACKAGE}.items", "withdraw"),
        "check": CommandPath(f"{_CLI_PACKAGE}.check", "check"),
        "status": CommandPath(f"{_CLI_PACKAGE}.status", "status"),
        "pause": CommandPath(f"{_CLI_PACKAGE}.channels", "pause"),
        "resume": CommandPath(f"{_CLI_PACKAGE}.channels", "resume"),
        "demo": CommandPath(f"{_CLI_PACKAGE}.demo", "demo"),
        "backup": CommandPath(f"{_CLI_PACKAGE}.recovery", "save_backup"),
        "restore": CommandPath(f"{_CLI_PACKAGE}.recovery", "restore_backup"),
        "rebuild": CommandPath(f"{_CLI_PACKAGE}.recovery", "rebuild_projections"),
        "opinions": CommandPath(f"{_CLI_PACKAGE}.items", "opinions"),
        "login": CommandPath(f"{_CLI_PACKAGE}.login", "login"),
        "logout": CommandPath(f"{_CLI_PACKAGE}.login", "logout"),
        "whoami": CommandPath(f"{_CLI_PACKAGE}.login", "whoami"),
        "staff": CommandPath(f"{_CLI_PACKAGE}.staff"),
        "bus": CommandPath(f"{_CLI_PACKAGE}.bus"),
        "units": CommandPath(f"{_CLI_PACKAGE}.units"),
        "import": CommandPath(f"{_CLI_PACKAGE}.imports"),
        "subscribers": CommandPath(f"{_CLI_PACKAGE}.subscribers"),
        "retention": CommandPath(f"{_CLI_PACKAGE}.retention"),
        "desk": CommandPath(f"{_CLI_PACKAGE}.desk"),
        "dead": CommandPath(f"{_CLI_PACKAGE}.dead_letters"),
        "zalo": CommandPath(f"{_CLI_PACKAGE}.zalo"),
        "mail": CommandPath(f"{_CLI_PACKAGE}.mail"),
        "digests": CommandPath(f"{_CLI_PACKAGE}.digests", "digests"),
        "audit": CommandPath(f"{_CLI_PACKAGE}.audit"),
        "doctor": CommandPath(f"{_CLI_PACKAGE}.doctor"),
    }

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 -- the library's signature
        return list(self.command_paths)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        path = self.command_paths.get(cmd_name)
        return path.load(cmd_name) if path else None


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def loa() -> None:
    """Loa: the notification platform of the Ministry of Home Affairs."""
    from consumers.app.unknown_variables import unknown_variables  # loads every channel's settings

    print_errors(unknown_variables())


def main() -> None:
    """Answers on stdout, errors on stderr."""
    stdio.write_utf8()
    log_config.configure(service=False)
    try:
        app(obj=_client_settings, prog_name="loa")
    finally:
        gc.freeze()  # otherwise a fifth of a command's time is Python's last search for garbage


def _client_settings() -> client.ClientSettings:
    """Settings of the commands that are also in the client's wheel; `.env` included."""
    settings = read_settings(LoaSettings)
    return client.ClientSettings(settings.data_dir, settings.nats_url, settings.access())
