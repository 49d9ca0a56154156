"""`loa zalo followers` and `loa zalo suppressed`: who follows us, and who is left alone."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from channels.errors import ChannelError
from channels.zalo.errors import Refused
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import APP_ID as SANDBOX_APP
from consumers.app.settings import read_settings
from consumers.app.wiring import zalo
from consumers.cli.output import (
    Json,
    explain_errors,
    print_answer,
    print_field_texts,
    print_table,
    run_on_bus,
)
from consumers.cli.stores import lift_suppression, open_keys, open_suppressions
from consumers.cli.zalo_account import account_stores, chosen_account
from consumers.messages import field_error
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
    sync: Annotated[bool, typer.Option("--sync", help="Walk through Zalo's list first.")] = False,
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
    fields = found.model_dump(mode="json", exclude_none=True).items()
    rows = [(name.replace("_", " "), value) for name, value in fields]
    print_answer(found, as_json, lambda: print_table(("", ""), rows))


async def sync_followers(bus: Bus, ours: ZaloSettings) -> None:
    """Raises Invalid for what Zalo refuses, and when it can't be asked now."""
    keys = await open_keys(bus)
    async with zalo.follower_lists(ours, await account_stores(bus, ours)) as lists:
        try:
            await zalo.open_follower_sync(bus, keys, lists, ours.app_id).sync()
        except (Refused, ChannelError) as trouble:
            raise Invalid(field_error("zalo", "list_refused", detail=trouble.reason)) from trouble


async def follower_report(bus: Bus, app_id: str) -> FollowerReport:
    count = await FollowerStore(bus).count(datetime.now(UTC))
    suppressions = await open_suppressions(bus)
    suppressed = (await suppressions.count_by_reason(ChannelName.ZALO)).total()
    latest = await follower_sync.last_scan(bus, app_id or SANDBOX_APP)
    report = FollowerReport(suppressed=suppressed, **dict(count))
    if latest:
        report.listed, report.reached = latest.followers.listed, latest.followers.reached
        report.walk_began, report.walk_ended = latest.began, latest.ended
    return report


@app.callback()
def nothing() -> None:
    """They can't be listed: a person who knows an address can ask for it."""


@app.command()
def show(address: Address) -> None:
    """Why an address is left alone on Zalo."""

    async def look(bus: Bus) -> str | None:
        suppressions = await open_suppressions(bus)
        return await suppressions.reason(ChannelName.ZALO, parse_address(address))

    reason = run_on_bus(look)
    if reason is None:
        print_field_texts(field_error("address", "not_suppressed"))
    else:
        typer.echo(reason)


def parse_address(written: str) -> str:
    """The stored form of a phone number, or of a user of the account. Raises Invalid."""
    text = written.strip()
    if text.startswith(ZALO_USER_PREFIX):
        return text
    try:
        return TypeAdapter(Mobile).validate_python(text)
    except ValidationError as wrong:
        examples = "0912345678, zalo:ID"
        raise Invalid(field_error("address", "not_an_address", value=examples)) from wrong


@app.command()
def lift(address: Address, by: Annotated[str, typer.Option(help="Who decides it.")]) -> None:
    """Send to an address again on Zalo, although Zalo or its owner refused before."""
    run_on_bus(lambda bus: lift_suppression(bus, ChannelName.ZALO, parse_address(address), by))
    typer.echo("lifted")
