"""The `loa` command: one small file per noun."""

from typing import ClassVar

import typer

from consumers.app.settings import LoaSettings, read_settings
from consumers.cli.lazy import CommandPath, LazyGroup
from consumers.runtime import log_config
from producers import cli as client

CLI_PACKAGE = "consumers.cli"


class Commands(LazyGroup):
    """Everything that `loa` can do, in the order in which its help tells it."""

    command_paths: ClassVar = {
        "up": CommandPath(f"{CLI_PACKAGE}.run", "up"),
        "run": CommandPath(f"{CLI_PACKAGE}.run", "run"),
        "publish": CommandPath("producers.cli", "publish"),
        "validate": CommandPath("producers.cli", "validate"),
        "schemas": CommandPath("producers.cli", "schemas"),
        "trace": CommandPath(f"{CLI_PACKAGE}.items", "trace"),
        "withdraw": CommandPath(f"{CLI_PACKAGE}.items", "withdraw"),
        "check": CommandPath(f"{CLI_PACKAGE}.check", "check"),
        "status": CommandPath(f"{CLI_PACKAGE}.channels", "status"),
        "pause": CommandPath(f"{CLI_PACKAGE}.channels", "pause"),
        "resume": CommandPath(f"{CLI_PACKAGE}.channels", "resume"),
        "demo": CommandPath(f"{CLI_PACKAGE}.demo", "demo"),
        "backup": CommandPath(f"{CLI_PACKAGE}.recovery", "save_backup"),
        "restore": CommandPath(f"{CLI_PACKAGE}.recovery", "restore_backup"),
        "rebuild": CommandPath(f"{CLI_PACKAGE}.recovery", "rebuild_projections"),
        "opinions": CommandPath(f"{CLI_PACKAGE}.opinions", "opinions"),
        "units": CommandPath(f"{CLI_PACKAGE}.units"),
        "import": CommandPath(f"{CLI_PACKAGE}.imports"),
        "subscribers": CommandPath(f"{CLI_PACKAGE}.subscribers"),
        "desk": CommandPath(f"{CLI_PACKAGE}.desk"),
        "dead": CommandPath(f"{CLI_PACKAGE}.dead_letters"),
        "zalo": CommandPath(f"{CLI_PACKAGE}.zalo"),
        "mail": CommandPath(f"{CLI_PACKAGE}.mail"),
        "digests": CommandPath(f"{CLI_PACKAGE}.digests", "digests"),
        "doctor": CommandPath(f"{CLI_PACKAGE}.doctor"),
    }


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def loa() -> None:
    """Loa: the notification platform of the Ministry of Home Affairs."""


def main() -> None:
    """Answers on stdout, errors on stderr."""
    log_config.configure(service=False)
    app(obj=client_surroundings, prog_name="loa")


def client_surroundings() -> client.ClientSettings:
    """Where the bus is, for the commands that the client's wheel has too; `.env` included."""
    settings = read_settings(LoaSettings)
    return client.ClientSettings(settings.data_dir, settings.nats_url, settings.nats_creds_file)
