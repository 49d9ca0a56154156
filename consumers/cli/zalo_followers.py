"""`loa zalo followers` and `loa zalo suppressed`: who follows us, and who is left alone."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from channels.errors import ChannelError
from channels.zalo.account.followers import FollowerScan
from channels.zalo.client.errors import Refused
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import APP_ID as SANDBOX_APP
from consumers.app.settings import LoaSettings, read_settings
from consumers.app.wiring import subscribers, zalo
from consumers.cli.output import (
    Json,
    explain_errors,
    lift_suppression,
    print_field_texts,
    print_json,
    print_table,
    run_on_bus,
)
from consumers.cli.zalo_account import account_stores, chosen_account
from consumers.key_file import open_key_file
from consumers.messages import field_error
from consumers.suppression.store import SuppressionStore
from consumers.zalo import follower_sync
from consumers.zalo.followers import FollowerStore
from contracts.base.addresses import Mobile
from contracts.case import ZALO_USER_PREFIX
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from producers.bus import Bus

Address = Annotated[str, typer.Argument(help="A phone number, or zalo:USER_ID.")]
app = typer.Typer(no_args_is_help=True, help="Addresses on Zalo that are left alone.")


class FollowerReport(BaseModel):
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
    sync: Annotated[
        bool, typer.Option("--sync", help="FollowerScan through Zalo's list first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """How many people follow the account, have left it, or only wrote; how many are left alone.

    --sync goes through Zalo's list of followers now, as the worker does once a day. Zalo shows no
    more than 10,000 of a list that can't be cut smaller: `reached` says how many it has shown.
    """
    with explain_errors():
        ours = chosen_account() if sync else read_settings(ZaloSettings)

    async def look(bus: Bus) -> FollowerReport:
        if sync:
            await sync_followers(bus, ours)
        return await follower_report(bus, ours.app_id)

    found = run_on_bus(look)
    if as_json:
        print_json(found)
    else:
        said = found.model_dump(mode="json", exclude_none=True)
        print_table(("", ""), [(name.replace("_", " "), value) for name, value in said.items()])


async def sync_followers(bus: Bus, ours: ZaloSettings) -> None:
    """Raises Invalid for what Zalo refuses, and when it can't be asked now."""
    keys = await open_key_file(bus, read_settings(LoaSettings).key_file)
    async with zalo.follower_lists(ours, await account_stores(bus, ours)) as lists:
        try:
            await zalo.open_follower_sync(bus, keys, lists, ours.app_id).sync()
        except (Refused, ChannelError) as trouble:
            raise Invalid(field_error("zalo", "list_refused", detail=trouble.reason)) from trouble


async def follower_report(bus: Bus, app_id: str) -> FollowerReport:
    count = await FollowerStore(bus).count(datetime.now(UTC))
    suppressed = await (await proven_suppressions(bus)).count_active(ChannelName.ZALO)
    latest = await follower_sync.last_scan(bus, app_id or SANDBOX_APP)
    return FollowerReport(suppressed=suppressed, **dict(count), **scan_facts(latest))


def scan_facts(latest: FollowerScan | None) -> dict[str, object]:
    if latest is None:
        return {}
    tally = latest.followers
    began, ended = latest.began, latest.ended
    return {**dict(tally), "walk_began": began, "walk_ended": ended}


async def proven_suppressions(bus: Bus) -> SuppressionStore:
    """Raises Invalid for a key of other data."""
    return subscribers.open_suppressions(
        bus, await open_key_file(bus, read_settings(LoaSettings).key_file)
    )


@app.callback()
def nothing() -> None:
    """They can't be listed: a person who knows an address can ask for it."""


@app.command()
def show(address: Address) -> None:
    """Why an address is left alone on Zalo."""

    async def look(bus: Bus) -> str | None:
        return await (await proven_suppressions(bus)).reason(
            ChannelName.ZALO, parse_address(address)
        )

    reason = run_on_bus(look)
    if reason is None:
        print_field_texts(field_error("address", "not_suppressed"))
    else:
        typer.echo(reason)


def parse_address(written: str) -> str:
    """As it lies in the books: a phone in any form, or a user of the account. Raises Invalid."""
    text = written.strip()
    try:
        return (
            text if text.startswith(ZALO_USER_PREFIX) else TypeAdapter(Mobile).validate_python(text)
        )
    except ValidationError as wrong:
        raise Invalid(
            field_error("address", "not_an_address", value="0912345678, zalo:ID")
        ) from wrong


@app.command()
def lift(
    address: Address,
    by: Annotated[str, typer.Option(help="Who decides it.")],
) -> None:
    """Send to an address again on Zalo, although Zalo or its owner refused before."""

    async def order(bus: Bus) -> None:
        await lift_suppression(
            await proven_suppressions(bus), ChannelName.ZALO, parse_address(address), by
        )

    run_on_bus(order)
    typer.echo("lifted")
