"""`loa mail suppressed`: addresses that mail leaves alone, and why."""

from typing import Annotated

import typer
from pydantic import BaseModel

from channels.email.header_injection import is_mail_address
from consumers.app.settings import LoaSettings, read_settings
from consumers.app.wiring import subscribers
from consumers.cli.output import (
    Json,
    lift_suppression,
    print_field_texts,
    print_json,
    print_table,
    run_on_bus,
)
from consumers.key_file import open_key_file
from consumers.messages import field_error
from consumers.suppression.store import Suppression, SuppressionStore, describe_suppression
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from producers.bus import Bus

EMAIL = ChannelName.EMAIL
Address = Annotated[str, typer.Argument(help="A mail address.")]
app = typer.Typer(no_args_is_help=True, help="Addresses that mail leaves alone.")


class SuppressionReport(BaseModel):
    """The answer of `list`: how many addresses, for each reason."""

    suppressed: int
    reasons: dict[str, int]


async def proven_suppressions(bus: Bus) -> SuppressionStore:
    """Raises Invalid for a key of other data."""
    return subscribers.open_suppressions(
        bus, await open_key_file(bus, read_settings(LoaSettings).key_file)
    )


def parse_address(written: str) -> str:
    """Raises Invalid for what is no mail address."""
    text = written.strip()
    if not is_mail_address(text):
        raise Invalid(field_error("address", "no_mail_address"))
    return text


@app.command("list")
def list_reasons(as_json: Json = False) -> None:
    """How many addresses are left alone, by reason. They can't be listed: only hashes are kept."""

    async def look(bus: Bus) -> SuppressionReport:
        reasons = await (await proven_suppressions(bus)).count_by_reason(EMAIL)
        return SuppressionReport(
            suppressed=sum(reasons.values()), reasons=dict(sorted(reasons.items()))
        )

    found = run_on_bus(look)
    if as_json:
        print_json(found)
    else:
        print_table(("reason", "addresses"), [*found.reasons.items(), ("all", found.suppressed)])


@app.command()
def show(address: Address, as_json: Json = False) -> None:
    """Why an address is left alone, since when and until when."""

    async def look(bus: Bus) -> Suppression | None:
        return await (await proven_suppressions(bus)).find_active(EMAIL, parse_address(address))

    found = run_on_bus(look)
    if as_json:
        print_json(found.model_dump(mode="json") if found else None)
    elif found:
        print_field_texts(describe_suppression(found))
    else:
        print_field_texts(field_error("address", "not_suppressed"))


@app.command()
def lift(
    address: Address,
    by: Annotated[str, typer.Option(help="Who decides it.")],
) -> None:
    """Write to an address again, although its server or its reader said no before."""

    async def order(bus: Bus) -> None:
        await lift_suppression(await proven_suppressions(bus), EMAIL, parse_address(address), by)

    run_on_bus(order)
    typer.echo("lifted")
