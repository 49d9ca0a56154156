"""The `loa` command: one small file per noun."""

from typing import ClassVar

import typer

from consumers import logs
from consumers.app.settings import LoaSettings, read
from consumers.cli.lazy import LazyGroup, Place
from producers import cli as client

HERE = "consumers.cli"


class Commands(LazyGroup):
    """Everything that `loa` can do, in the order in which its help tells it."""

    places: ClassVar = {
        "up": Place(f"{HERE}.services", "up"),
        "run": Place(f"{HERE}.services", "run"),
        "publish": Place("producers.cli", "publish"),
        "validate": Place("producers.cli", "validate"),
        "schemas": Place("producers.cli", "schemas"),
        "trace": Place(f"{HERE}.items", "trace"),
        "withdraw": Place(f"{HERE}.items", "withdraw"),
        "check": Place(f"{HERE}.check", "check"),
        "status": Place(f"{HERE}.channels", "status"),
        "pause": Place(f"{HERE}.channels", "pause"),
        "resume": Place(f"{HERE}.channels", "resume"),
        "demo": Place(f"{HERE}.demo", "demo"),
        "backup": Place(f"{HERE}.upkeep", "save"),
        "restore": Place(f"{HERE}.upkeep", "put_back"),
        "rebuild": Place(f"{HERE}.upkeep", "make_anew"),
        "opinions": Place(f"{HERE}.opinions", "opinions"),
        "units": Place(f"{HERE}.units"),
        "import": Place(f"{HERE}.imports"),
        "subscribers": Place(f"{HERE}.subscribers"),
        "desk": Place(f"{HERE}.desk"),
        "dead": Place(f"{HERE}.dead"),
        "zalo": Place(f"{HERE}.zalo"),
        "mail": Place(f"{HERE}.mail"),
        "digests": Place(f"{HERE}.digests", "digests"),
        "doctor": Place(f"{HERE}.doctor"),
    }


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def loa() -> None:
    """Loa: the notification platform of the Ministry of Home Affairs."""


def main() -> None:
    """Answers on stdout, errors on stderr."""
    logs.configure(service=False)
    app(obj=surroundings, prog_name="loa")


def surroundings() -> client.Surroundings:
    """Where the bus is, for the commands that the client's wheel has too; `.env` included."""
    settings = read(LoaSettings)
    return client.Surroundings(settings.data_dir, settings.nats_url, settings.nats_creds_file)
