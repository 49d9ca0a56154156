"""`loa mail brakes`: publications of which too much came back, and letting one go on."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from consumers.cli.output import Json, print_json, print_table, run_on_bus
from consumers.email import bounce_stops
from consumers.email.bounce_stops import BounceStops
from consumers.email.trace import most_frequent_codes
from consumers.messages import field_error
from contracts.delivery import ChannelName, PlanKey
from contracts.errors import Invalid
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="Publications of which too much mail came back.")


@app.command("list")
def list_stops(as_json: Json = False) -> None:
    """What was warned of, stopped or let go on within the last thirty days."""
    found = run_on_bus(bounce_stops.load_stops)
    if as_json:
        print_json(found)
        return
    print_table(
        ("publication", "state", "judged (UTC)", "decided", "mails", "failed", "%", "by", "codes"),
        [
            (
                plan,
                one.state,
                f"{to_datetime(one.at):%Y-%m-%d %H:%M}",
                f"{to_datetime(one.decided):%Y-%m-%d %H:%M}" if one.decided else "",
                one.mails,
                one.failed,
                one.percent,
                one.by,
                most_frequent_codes(one.codes),
            )
            for plan, one in found.plans.items()
        ],
    )


def to_datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@app.command()
def release(
    content_id: Annotated[str, typer.Argument(help="The item's content_id.")],
    by: Annotated[str, typer.Option(help="Who decides it.")],
) -> None:
    """Let a stopped publication's mail go on, regardless of bounces.

    To end an item instead: `loa withdraw`.
    """

    async def order(bus: Bus) -> None:
        if not by.strip():
            raise Invalid(field_error("by", "who_required"))
        plans = stopped_plans(await bounce_stops.load_stops(bus), content_id)
        if not plans:
            raise Invalid(field_error("content_id", "not_stopped", value=content_id))
        for plan in plans:
            await bounce_stops.release_stop(bus, plan, by.strip())

    run_on_bus(order)
    typer.echo("goes on")


def stopped_plans(brakes: BounceStops, content_id: str) -> list[PlanKey]:
    """The stopped revisions of an item."""
    standing = [PlanKey.parse(name) for name, one in brakes.plans.items() if one.state == "stopped"]
    mail = [plan for plan in standing if plan.channel is ChannelName.EMAIL]
    return [plan for plan in mail if plan.content_id == content_id]
