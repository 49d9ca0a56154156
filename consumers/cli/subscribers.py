"""`loa subscribers`: import, show and erase subscribers."""

from pathlib import Path
from typing import Annotated

import typer

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.app.wiring import subscribers
from consumers.cli.output import EXIT_INVALID, Json, print_json, print_table, run_on_bus
from consumers.key_file import KeyFile, open_key_file
from consumers.messages import field_error
from consumers.subscribers.csv_import import ImportReport, import_csv
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.unsubscribe import UnsubscribeService
from consumers.subscribers.validation import normalize_email
from consumers.suppression.store import Suppression, describe_suppression
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus

REASON_MAX = 200
app = typer.Typer(no_args_is_help=True, help="The people who get mail.")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file, UTF-8.")]
Address = Annotated[str, typer.Argument(help="A reader's e-mail address.")]
Reason = Annotated[str, typer.Option(help="Why. It stays in the log, so it names nobody.")]


@app.command("import")
def import_file(file: File, as_json: Json = False) -> None:
    """Add and update readers from a CSV file. Exit code 2: lines were refused, the rest is in."""
    settings = read_settings(LoaSettings)

    async def work(bus: Bus) -> ImportReport:
        keys = await open_key_file(bus, settings.key_file)
        return await import_csv(bus, file, load_vocabulary(settings), keys.derive("addresses"))

    report = run_on_bus(work)
    if as_json:
        print_json(report)
    else:
        typer.echo(f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged")
        for wrong in report.rejected:
            typer.echo(f"line {wrong.line}, {wrong.field}: {wrong.message}", err=True)
            typer.echo(f"dòng {wrong.line}, {wrong.field}: {wrong.message_vi}", err=True)
    raise typer.Exit(EXIT_INVALID if report.rejected else 0)


@app.command()
def show(address: Address, as_json: Json = False) -> None:
    """All that is kept of a reader, consent included, and whether mail leaves the address alone.

    Exit code 2: the address is unknown.
    """

    async def look(bus: Bus) -> tuple[Subscriber, Suppression | None]:
        keys = await proven_key(bus)
        one = await require_subscriber(
            SubscriberStore.from_key_file(bus, keys), normalized_address(address)
        )
        return one, await subscribers.open_suppressions(bus, keys).find_active(
            ChannelName.EMAIL, one.email
        )

    subscriber, suppression = run_on_bus(look)
    if as_json:
        against = suppression.model_dump(mode="json") if suppression else None
        print_json(subscriber.model_dump(mode="json") | {"suppressed": against})
    else:
        said = subscriber.model_dump(mode="json", exclude_none=True)
        rows = [(name, cell_text(value)) for name, value in said.items()]
        print_table(("", ""), [*rows, *suppression_rows(suppression)])


def suppression_rows(suppression: Suppression | None) -> list[tuple[str, str]]:
    """Why mail to this subscriber is suppressed, and the command that lifts it."""
    if suppression is None:
        return []
    return [
        ("suppressed", describe_suppression(suppression).message),
        ("to lift it", "loa mail suppressed lift ADDRESS --by NAME"),
    ]


@app.command()
def remove(address: Address, reason: Reason) -> None:
    """Erase a reader: record and address are purged, and every machine forgets within 10 s."""

    async def work(bus: Bus) -> None:
        keys, why = await proven_key(bus), check_reason(reason)
        readers = SubscriberStore.from_key_file(bus, keys)
        clean = normalized_address(address)
        if await readers.purge_leftovers(clean):  # an earlier try was cut short
            return
        one = await require_subscriber(readers, clean)
        await UnsubscribeService.from_key_file(bus, keys).erase(one, clean, reason=why)

    run_on_bus(work)
    typer.echo("removed")


async def proven_key(bus: Bus) -> KeyFile:
    return await open_key_file(bus, read_settings(LoaSettings).key_file)


def normalized_address(address: str) -> str:
    """Raises Invalid for what is no address."""
    clean, wrong = normalize_email(address)
    if wrong:
        raise Invalid(*wrong)
    return clean


async def require_subscriber(readers: SubscriberStore, address: str) -> Subscriber:
    """The subscriber with *address*. Raises Invalid if there is none."""
    one = await readers.find_by_address(address)
    if one is None:
        raise Invalid(field_error("address", "reader_unknown"))
    return one


def check_reason(reason: str) -> str:
    """Clean a reason. Raises Invalid for an empty one, or one that may contain an address."""
    said = reason.strip()
    if not said or len(said) > REASON_MAX or "@" in said:
        raise Invalid(field_error("reason", "erasure_reason", limit=REASON_MAX))
    return said


def cell_text(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value
