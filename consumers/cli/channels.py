"""`loa status`, `loa pause`, `loa resume`: the channels."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from consumers import control
from consumers.app.settings import LoaSettings, read
from consumers.app.variables import unknown
from consumers.breaker import State
from consumers.canary.standing import Standing
from consumers.cli.answers import (
    INVALID,
    Json,
    complain,
    on_any_bus,
    on_bus,
    print_json,
    print_said,
    print_table,
)
from consumers.faults import fault
from consumers.ledger.store import Ledger
from consumers.status import ChannelStatus, LaneStatus, Status
from consumers.waits import NOW
from contracts.delivery import ChannelName

Name = Annotated[str, typer.Argument(help="portal, email or zalo")]
Why = Annotated[str, typer.Option("--reason", help="Why; shown to whoever asks later.")]
By = Annotated[
    str,
    typer.Option("--by", envvar="USER", help="Who; shown as well. Else $USER, if there is one."),
]


def status(as_json: Json = False) -> None:
    """What waits in each lane of each channel, and which channels are paused."""

    complain(unknown())
    report = on_any_bus(lambda bus, own: Status(bus, Ledger(bus)).report(at_work=not own))
    if as_json:
        print_json(report)
        return
    for name, one in report.channels.items():
        birds = canary(one.canary, time.time(), at_work=report.at_work)
        files = lost_files() if name is ChannelName.PORTAL else ()
        for line in (*outlet(one), *files, *trouble(one), birds):
            typer.echo(f"{name}: {line}")
    print_table(
        ("channel", "paused", "breaker", "lane", "backlog", "oldest s", "per s", "left s"),
        [
            (name, one.paused, one.breaker, lane, *numbers(facts))
            for name, one in report.channels.items()
            for lane, facts in one.lanes.items()
        ],
    )


def outlet(one: ChannelStatus) -> Iterator[str]:
    """Where its output goes, if a worker has said so yet."""
    if one.stand_in:
        yield f"goes to {one.goes_to}: nobody outside gets anything"
    elif one.goes_to:
        yield f"goes to {one.goes_to}"


def lost_files() -> Iterator[str]:
    """Whether this machine's portal has lost what readers see, in both languages."""
    folder = read(LoaSettings).portal_dir
    public = folder / "public"
    if (folder / "state").exists() and not (public / "index.html").exists():
        gone = fault("portal", "portal_files_gone", folder=public.resolve())
        yield from (gone.message, gone.message_vi)


def trouble(one: ChannelStatus) -> Iterator[str]:
    """Why a channel stands still, a line each."""
    if one.paused:
        who = named(one.paused_by)
        yield f"paused since {at(one.paused_since)}{who}{because(one.paused_reason)}"
    if one.breaker is not State.CLOSED:
        yield f"breaker {one.breaker} since {at(one.breaker_since)}" + (
            f"{because(one.breaker_reason)}, {mended(one.breaker_reason) or next_try(one)}"
        )
    if one.unseen:
        yield from (one.unseen.fault.message, one.unseen.fault.message_vi)
    if one.slowed:
        yield f"slowed down, level {one.slowed} of 6{because(one.slowed_reason)}"
    for plan in one.stopped:
        yield f"{plan} stopped, too much of it came back: `loa mail brakes list`"


def mended(reason: str) -> str:
    """What mends it, where nothing goes on by itself."""
    return f"now: {NOW[reason]}" if reason in NOW else ""


def next_try(one: ChannelStatus) -> str:
    """When an open breaker is tried: once its wait is over, by the first row that may go."""
    if one.breaker is State.HALF_OPEN:
        return "trying"
    if one.next_probe:
        return f"next try at {at(one.next_probe)}"
    if one.paused:
        return "next try: once it is resumed"
    waiting = any(lane.backlog for lane in one.lanes.values())
    return "next try: with the next row that is due" if waiting else "next try: with the next item"


def canary(one: Standing, now: float, *, at_work: bool = True) -> str:
    """What the last canary says of the channel; where no Loa runs, of how it was."""
    match one.state:
        case "ok" if not at_work:
            return f"canary was ok {ago(one.since, now)}; no Loa runs now"
        case "ok":
            return f"canary ok {ago(one.since, now)}"
        case "late":
            return f"canary late, none back since {at(one.since)}{because(one.why)}"
        case "waiting":
            return "canary on its way, none back yet"
        case _:
            return f"canary {one.state}"


def ago(moment: datetime | None, now: float) -> str:
    """Whole minutes, as far as they tell anything."""
    minutes = int(max(now - moment.timestamp(), 0) // 60) if moment else 0
    return f"{minutes} min ago" if minutes else "just now"


def at(moment: datetime | None) -> str:
    """To the second, in UTC, as the logs have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else "?"


def named(who: str) -> str:
    return f" by {who}" if who else ""


def because(reason: str) -> str:
    return f": {reason}" if reason else ""


def numbers(lane: LaneStatus) -> tuple[object, ...]:
    """What stands has no speed: `-`, as where nobody works."""
    left = "-" if lane.left_s is None else lane.left_s
    return lane.backlog, lane.oldest_s, lane.per_s or "-", left


def pause(channel: Name, reason: Why = "", by: By = "") -> None:
    """Stop a channel's deliveries within a second; the pause survives every restart."""
    name = known(channel)
    held = on_bus(lambda bus: control.hold(bus, name, reason.strip(), by.strip()))
    if held.fresh:
        print_said(fault(channel, "paused_now", channel=channel))
        return
    stands = held.known
    who, why = stands.by or "-", stands.reason or "-"
    said = {"channel": channel, "at": at(stands.since), "who": who, "reason": why}
    print_said(fault(channel, "paused_already", **said))


def resume(channel: Name) -> None:
    """Let a paused channel go on."""
    name = known(channel)
    ended = on_bus(lambda bus: control.resume(bus, name))
    print_said(fault(channel, "resumed_now" if ended else "resumed_already"))


def known(channel: str) -> ChannelName:
    """The channel of that name; exit code 2 when there is none."""
    if channel not in list(ChannelName):
        names = ", ".join(ChannelName)
        complain([fault("channel", "channel_unknown", value=channel, known=names)])
        raise typer.Exit(INVALID)
    return ChannelName(channel)
