"""`loa zalo followers` and `loa zalo suppressed`: who follows us, and who is left alone."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from channels.errors import ChannelError
from channels.zalo.census import Walk
from channels.zalo.codes import Refused
from channels.zalo.sandbox.oauth import APP_ID as SANDBOX_APP
from channels.zalo.settings import ZaloSettings
from consumers.app import channels, people
from consumers.app.settings import LoaSettings, read
from consumers.cli.account import account, stores
from consumers.cli.answers import Json, explained, on_bus, print_json, print_said, print_table
from consumers.cli.lifting import lifted
from consumers.faults import fault
from consumers.suppressions import Suppressions
from consumers.vault import belonging
from consumers.zalo import roll_call
from consumers.zalo.followers import Followers
from contracts.addresses import Mobile
from contracts.case import ZALO_USER
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from producers.bus import Bus

Address = Annotated[str, typer.Argument(help="A phone number, or zalo:USER_ID.")]
app = typer.Typer(no_args_is_help=True, help="Addresses on Zalo that are left alone.")


class Standing(BaseModel):
    """The answer. `listed` and `reached`: how many Zalo says there are, and has shown."""

    followers: int
    left: int
    unknown: int
    within_reach: int
    suppressed: int
    listed: int | None = None
    reached: int | None = None
    walk_began: AwareDatetime | None = None
    walk_ended: AwareDatetime | None = None


def followers(
    sync: Annotated[bool, typer.Option("--sync", help="Walk through Zalo's list first.")] = False,
    as_json: Json = False,
) -> None:
    """How many people follow the account, have left it, or only wrote; how many are left alone.

    --sync goes through Zalo's list of followers now, as the worker does once a day. Zalo shows no
    more than 10,000 of a list that can't be cut smaller: `reached` says how many it has shown.
    """
    with explained():
        ours = account() if sync else read(ZaloSettings)

    async def look(bus: Bus) -> Standing:
        if sync:
            await walk(bus, ours)
        return await standing(bus, ours.app_id)

    found = on_bus(look)
    if as_json:
        print_json(found)
    else:
        said = found.model_dump(mode="json", exclude_none=True)
        print_table(("", ""), [(name.replace("_", " "), value) for name, value in said.items()])


async def walk(bus: Bus, ours: ZaloSettings) -> None:
    """Raises Invalid for what Zalo refuses, and when it can't be asked now."""
    keys = await belonging(bus, read(LoaSettings).key_file)
    async with channels.listing(ours, await stores(bus, ours)) as lists:
        try:
            await people.open_roll_call(bus, keys, lists, ours.app_id).walk()
        except (Refused, ChannelError) as trouble:
            raise Invalid(fault("zalo", "list_refused", detail=trouble.reason)) from trouble


async def standing(bus: Bus, app_id: str) -> Standing:
    count = await Followers(bus).count(datetime.now(UTC))
    suppressed = await (await suppressions(bus)).count(ChannelName.ZALO)
    latest = await roll_call.last(bus, app_id or SANDBOX_APP)
    return Standing(suppressed=suppressed, **dict(count), **progress(latest))


def progress(latest: Walk | None) -> dict[str, object]:
    if latest is None:
        return {}
    tally = latest.followers
    began, ended = latest.began, latest.ended
    return {**dict(tally), "walk_began": began, "walk_ended": ended}


async def suppressions(bus: Bus) -> Suppressions:
    """Raises Invalid for a key of other data."""
    return people.suppressions(bus, await belonging(bus, read(LoaSettings).key_file))


@app.callback()
def nothing() -> None:
    """Nobody can list them: only who knows an address can ask for it."""


@app.command()
def show(address: Address) -> None:
    """Why somebody is left alone on Zalo."""

    async def look(bus: Bus) -> str | None:
        return await (await suppressions(bus)).reason(ChannelName.ZALO, addressed(address))

    reason = on_bus(look)
    if reason is None:
        print_said(fault("address", "not_suppressed"))
    else:
        typer.echo(reason)


def addressed(written: str) -> str:
    """As it lies in the books: a phone in any form, or a user of the account. Raises Invalid."""
    text = written.strip()
    try:
        return text if text.startswith(ZALO_USER) else TypeAdapter(Mobile).validate_python(text)
    except ValidationError as wrong:
        raise Invalid(fault("address", "not_an_address", value="0912345678, zalo:ID")) from wrong


@app.command()
def lift(
    address: Address,
    by: Annotated[str, typer.Option(help="Who decides it.")],
) -> None:
    """Tell somebody again on Zalo, although Zalo or they themselves said no before."""

    async def order(bus: Bus) -> None:
        await lifted(await suppressions(bus), ChannelName.ZALO, addressed(address), by)

    on_bus(order)
    typer.echo("lifted")
