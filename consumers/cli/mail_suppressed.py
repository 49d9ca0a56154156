"""`loa mail suppressed`: addresses that mail leaves alone, and why."""

from typing import Annotated

import typer
from pydantic import BaseModel

from channels.email.guard import mail_address
from consumers.app import people
from consumers.app.settings import LoaSettings, read
from consumers.cli.answers import Json, on_bus, print_json, print_said, print_table
from consumers.cli.lifting import lifted
from consumers.faults import fault
from consumers.suppressions import Suppression, Suppressions, left_alone
from consumers.vault import belonging
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from producers.bus import Bus

EMAIL = ChannelName.EMAIL
Address = Annotated[str, typer.Argument(help="A mail address.")]
app = typer.Typer(no_args_is_help=True, help="Addresses that mail leaves alone.")


class Standing(BaseModel):
    """The answer of `list`: how many addresses, for each reason."""

    suppressed: int
    reasons: dict[str, int]


async def suppressions(bus: Bus) -> Suppressions:
    """Raises Invalid for a key of other data."""
    return people.suppressions(bus, await belonging(bus, read(LoaSettings).key_file))


def addressed(written: str) -> str:
    """Raises Invalid for what is no mail address."""
    text = written.strip()
    if not mail_address(text):
        raise Invalid(fault("address", "no_mail_address"))
    return text


@app.command("list")
def count(as_json: Json = False) -> None:
    """How many addresses are left alone, by reason. Nobody can list them: they are not kept."""

    async def look(bus: Bus) -> Standing:
        reasons = await (await suppressions(bus)).reasons(EMAIL)
        return Standing(suppressed=sum(reasons.values()), reasons=dict(sorted(reasons.items())))

    found = on_bus(look)
    if as_json:
        print_json(found)
    else:
        print_table(("reason", "addresses"), [*found.reasons.items(), ("all", found.suppressed)])


@app.command()
def show(address: Address, as_json: Json = False) -> None:
    """Why an address is left alone, since when and until when."""

    async def look(bus: Bus) -> Suppression | None:
        return await (await suppressions(bus)).now(EMAIL, addressed(address))

    found = on_bus(look)
    if as_json:
        print_json(found.model_dump(mode="json") if found else None)
    elif found:
        print_said(left_alone(found))
    else:
        print_said(fault("address", "not_suppressed"))


@app.command()
def lift(
    address: Address,
    by: Annotated[str, typer.Option(help="Who decides it.")],
) -> None:
    """Write to an address again, although its server or its reader said no before."""

    async def order(bus: Bus) -> None:
        await lifted(await suppressions(bus), EMAIL, addressed(address), by)

    on_bus(order)
    typer.echo("lifted")
