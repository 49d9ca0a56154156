"""`loa status`, `loa pause`, `loa resume`: the channels."""

from typing import Annotated

import typer

from consumers import control
from consumers.cli.answers import INVALID, Json, complain, on_bus, print_json, print_table
from consumers.faults import fault
from consumers.ledger.store import Ledger
from consumers.status import Report, Status
from contracts.delivery import ChannelName
from producers.bus import Bus

Name = Annotated[str, typer.Argument(help="portal, email or zalo")]
Why = Annotated[str, typer.Option("--reason", help="Why; shown to whoever asks later.")]


def status(as_json: Json = False) -> None:
    """What waits in each lane of each channel, and which channels are paused."""

    async def look(bus: Bus) -> tuple[Report, dict[ChannelName, str]]:
        return await Status(bus, Ledger(bus)).report(), await control.reasons(bus)

    report, reasons = on_bus(look)
    if as_json:
        print_json(report)
        return
    for name, reason in reasons.items():
        if report.channels[name].paused or report.channels[name].breaker == "open":
            typer.echo(f"{name}: {reason}")
    print_table(
        ("channel", "paused", "breaker", "lane", "backlog", "oldest s", "per s"),
        [
            (name, one.paused, one.breaker, lane, facts.backlog, facts.oldest_s, facts.per_s)
            for name, one in report.channels.items()
            for lane, facts in one.lanes.items()
        ],
    )


def pause(channel: Name, reason: Why = "") -> None:
    """Stop a channel's deliveries within a second; the pause survives every restart."""
    name = known(channel)
    on_bus(lambda bus: control.pause(bus, name, reason))
    typer.echo(f"{channel}: paused; `loa resume {channel}` goes on")


def resume(channel: Name) -> None:
    """Let a paused channel go on."""
    name = known(channel)
    on_bus(lambda bus: control.resume(bus, name))
    typer.echo(f"{channel}: goes on")


def known(channel: str) -> ChannelName:
    """The channel of that name; exit code 2 when there is none."""
    if channel not in list(ChannelName):
        names = ", ".join(ChannelName)
        complain([fault("channel", "channel_unknown", value=channel, known=names)])
        raise typer.Exit(INVALID)
    return ChannelName(channel)
