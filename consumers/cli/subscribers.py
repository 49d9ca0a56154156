"""`loa subscribers`: who reads."""

from pathlib import Path
from typing import Annotated

import typer

from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.cli.answers import INVALID, Json, on_bus, print_json
from consumers.subscribers import Report, import_csv
from consumers.vault import belonging
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="The people who get mail.")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file, UTF-8.")]


@app.callback()
def nothing() -> None:
    """One command for now."""


@app.command("import")
def import_file(file: File, as_json: Json = False) -> None:
    """Add and update readers from a CSV file. Exit code 2: lines were refused, the rest is in."""
    settings = read(LoaSettings)

    async def work(bus: Bus) -> Report:
        keys = await belonging(bus, settings.key_file)
        return await import_csv(bus, file, vocabulary(settings), keys.derive("addresses"))

    report = on_bus(work)
    if as_json:
        print_json(report)
    else:
        typer.echo(f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged")
        for wrong in report.rejected:
            typer.echo(f"line {wrong.line}, {wrong.field}: {wrong.message}", err=True)
            typer.echo(f"dòng {wrong.line}, {wrong.field}: {wrong.message_vi}", err=True)
    raise typer.Exit(INVALID if report.rejected else 0)
