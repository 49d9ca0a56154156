"""`loa subscribers`: who reads."""

from pathlib import Path
from typing import Annotated

import typer

from consumers.app import people
from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.cli.answers import INVALID, Json, on_bus, print_json, print_table
from consumers.faults import fault
from consumers.readers.imports import Report, import_csv
from consumers.readers.leaving import Leaving
from consumers.readers.people import People
from consumers.readers.wishes import as_kept
from consumers.suppressions import Suppression, left_alone
from consumers.vault import KeyFile, belonging
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from contracts.subscriber import Subscriber
from producers.bus import Bus

REASON_MAX = 200
app = typer.Typer(no_args_is_help=True, help="The people who get mail.")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file, UTF-8.")]
Address = Annotated[str, typer.Argument(help="A reader's e-mail address.")]
Reason = Annotated[str, typer.Option(help="Why. It stays in the log, so it names nobody.")]


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


@app.command()
def show(address: Address, as_json: Json = False) -> None:
    """All that is kept of a reader, consent included, and whether mail leaves the address alone.

    Exit code 2: the address is unknown.
    """

    async def look(bus: Bus) -> tuple[Subscriber, Suppression | None]:
        keys = await proven(bus)
        one = await found(People.opened(bus, keys), known_form(address))
        return one, await people.suppressions(bus, keys).now(ChannelName.EMAIL, one.email)

    one, stands = on_bus(look)
    if as_json:
        against = stands.model_dump(mode="json") if stands else None
        print_json(one.model_dump(mode="json") | {"suppressed": against})
    else:
        said = one.model_dump(mode="json", exclude_none=True)
        rows = [(name, shown(value)) for name, value in said.items()]
        print_table(("", ""), [*rows, *left_alone_rows(stands)])


def left_alone_rows(stands: Suppression | None) -> list[tuple[str, str]]:
    """Why mail is not sent although somebody reads, and how it would be again."""
    if stands is None:
        return []
    return [
        ("suppressed", left_alone(stands).message),
        ("to lift it", "loa mail suppressed lift ADDRESS --by NAME"),
    ]


@app.command()
def remove(address: Address, reason: Reason) -> None:
    """Erase a reader: record and address are purged, and every machine forgets within 10 s."""

    async def work(bus: Bus) -> None:
        keys, why = await proven(bus), judged(reason)
        readers = People.opened(bus, keys)
        clean = known_form(address)
        if await readers.left_over(clean):  # an earlier try was cut short
            return
        one = await found(readers, clean)
        await Leaving.opened(bus, keys).erase(one, clean, reason=why)

    on_bus(work)
    typer.echo("removed")


async def proven(bus: Bus) -> KeyFile:
    return await belonging(bus, read(LoaSettings).key_file)


def known_form(address: str) -> str:
    """Raises Invalid for what is no address."""
    clean, wrong = as_kept(address)
    if wrong:
        raise Invalid(*wrong)
    return clean


async def found(readers: People, address: str) -> Subscriber:
    """Raises Invalid for an address of nobody."""
    one = await readers.by_address(address)
    if one is None:
        raise Invalid(fault("address", "reader_unknown"))
    return one


def judged(reason: str) -> str:
    """Raises Invalid for a reason that says nothing, or that may name somebody."""
    said = reason.strip()
    if not said or len(said) > REASON_MAX or "@" in said:
        raise Invalid(fault("reason", "erasure_reason", limit=REASON_MAX))
    return said


def shown(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value
