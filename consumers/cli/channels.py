"""`loa status`, `loa pause`, `loa resume`: the channels."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from consumers import control
from consumers.breaker import State
from consumers.cli.answers import INVALID, Json, complain, on_bus, print_json, print_table
from consumers.faults import fault
from consumers.ledger.store import Ledger
from consumers.status import ChannelStatus, LaneStatus, Status
from contracts.delivery import ChannelName

Name = Annotated[str, typer.Argument(help="portal, email or zalo")]
Why = Annotated[str, typer.Option("--reason", help="Why; shown to whoever asks later.")]


def status(as_json: Json = False) -> None:
    """What waits in each lane of each channel, and which channels are paused."""

    report = on_bus(lambda bus: Status(bus, Ledger(bus)).report())
    if as_json:
        print_json(report)
        return
    for name, one in report.channels.items():
        for line in trouble(one):
            typer.echo(f"{name}: {line}")
    print_table(
        ("channel", "paused", "breaker", "lane", "backlog", "oldest s", "per s", "left s"),
        [
            (name, one.paused, one.breaker, lane, *numbers(facts))
            for name, one in report.channels.items()
            for lane, facts in one.lanes.items()
        ],
    )


def trouble(one: ChannelStatus) -> Iterator[str]:
    """Why a channel stands still, a line each."""
    if one.paused:
        yield f"paused since {at(one.paused_since)}{because(one.paused_reason)}"
    if one.breaker is not State.CLOSED:
        probe = f", next try at {at(one.next_probe)}" if one.next_probe else ", trying"
        yield f"breaker {one.breaker} since {at(one.breaker_since)}" + (
            f"{because(one.breaker_reason)}{probe}"
        )
    if one.canary.state == "late":
        yield f"canary late, none back since {at(one.canary.since)}{because(one.canary.why)}"


def at(moment: datetime | None) -> str:
    """To the second, in UTC, as the logs have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else "?"


def because(reason: str) -> str:
    return f": {reason}" if reason else ""


def numbers(lane: LaneStatus) -> tuple[object, ...]:
    left = "-" if lane.left_s is None else lane.left_s
    return lane.backlog, lane.oldest_s, lane.per_s, left


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
