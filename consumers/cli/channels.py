"""`loa status`, `loa pause`, `loa resume`: the channels."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from consumers.app.channel_registry import CHANNELS
from consumers.app.settings import LoaSettings, read_settings
from consumers.app.unknown_variables import unknown_variables
from consumers.channel_health import pauses
from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.canary.status import CanaryStatus
from consumers.cli import output
from consumers.cli.acts import By, Command, run_audited
from consumers.cli.stores import open_anchor
from consumers.messages import field_error
from consumers.operations.status import ChannelStatus, LaneStatus, StatusReader, StatusReport
from consumers.reporting.channel_state import REMEDIES
from consumers.staff.authorization import Actor
from contracts.base.times import format_utc
from contracts.delivery import ChannelName
from contracts.errors import Unavailable
from producers.bus import Bus
from producers.bus.records import Versioned

Name = Annotated[str, typer.Argument(help=" or ".join(", ".join(ChannelName).rsplit(", ", 1)))]
Why = Annotated[str, typer.Option("--reason", help="Why; shown to whoever asks later.")]


def status(as_json: output.Json = False) -> None:
    """What waits in each lane of each channel, and which channels are paused."""
    output.print_errors(unknown_variables())
    report = output.run_on_any_bus(_load_status)
    if read_settings(LoaSettings).units_share_password:
        output.print_errors([field_error("bus", "units_share_password")])
    output.print_answer(report, as_json, lambda: _print_report(report))


async def _load_status(bus: Bus, own: bool) -> StatusReport:
    damages = await open_anchor(bus).examine()
    if gone := [one.field_error for one in damages if one.code == "bus_stream_gone"]:
        raise Unavailable(*gone)
    report = await StatusReader(bus).report(at_work=not own)
    report.bus = tuple(damage.field_error for damage in damages)
    return report


def _print_report(report: StatusReport) -> None:
    settings = read_settings(LoaSettings)
    for damage in report.bus:
        typer.echo(f"bus: {damage.field}: {damage.message}")
        typer.echo(f"bus: {damage.field}: {damage.message_vi}")
    for name, channel in report.channels.items():
        canary = canary_line(channel.canary, time.time(), at_work=report.at_work)
        lost = lost_file_lines(name, settings)
        for line in (*destination_lines(channel), *lost, *trouble_lines(channel), canary):
            typer.echo(f"{name}: {line}")
    columns = ("channel", "paused", "breaker", "lane", "backlog", "oldest s", "per s", "left s")
    rows = [
        (name, channel.paused, channel.breaker, lane, *lane_cells(status))
        for name, channel in report.channels.items()
        for lane, status in channel.lanes.items()
    ]
    output.print_table(columns, rows)


def destination_lines(channel: ChannelStatus) -> Iterator[str]:
    """The destination of a channel's output, if a worker has published it yet."""
    if channel.stand_in:
        yield f"goes to {channel.goes_to}: nobody outside gets anything"
    elif channel.goes_to:
        yield f"goes to {channel.goes_to}"


def lost_file_lines(name: ChannelName, settings: LoaSettings) -> Iterator[str]:
    """Files of the channel that this machine has lost, in both languages."""
    for gone in CHANNELS[name].lost_files(settings):
        yield from (gone.message, gone.message_vi)


def trouble_lines(channel: ChannelStatus) -> Iterator[str]:
    """The reasons why a channel is blocked, a line each."""
    if channel.paused:
        who = f" by {channel.paused_by}" if channel.paused_by else ""
        reason = _reason_suffix(channel.paused_reason)
        yield f"paused since {_utc_time(channel.paused_since)}{who}{reason}"
    if channel.breaker is not BreakerState.CLOSED:
        remedy = REMEDIES.get(channel.breaker_reason)
        then = f"now: {remedy}" if remedy else _next_try(channel)
        why = f"{_reason_suffix(channel.breaker_reason)}, {then}"
        yield f"breaker {channel.breaker} since {_utc_time(channel.breaker_since)}{why}"
    if channel.unseen:
        yield from (channel.unseen.field_error.message, channel.unseen.field_error.message_vi)
    if channel.slowed:
        yield f"slowed down, level {channel.slowed} of 6{_reason_suffix(channel.slowed_reason)}"
    for plan in channel.stopped:
        yield f"{plan} stopped, too much of it came back: `loa mail brakes list`"


def _next_try(channel: ChannelStatus) -> str:
    """The next try of an open breaker: after its wait, with the first row that may go."""
    if channel.breaker is BreakerState.HALF_OPEN:
        return "trying"
    if channel.next_probe:
        return f"next try at {_utc_time(channel.next_probe)}"
    if channel.paused:
        return "next try: once it is resumed"
    waiting = any(lane.backlog for lane in channel.lanes.values())
    return "next try: with the next row that is due" if waiting else "next try: with the next item"


def canary_line(canary: CanaryStatus, now: float, *, at_work: bool = True) -> str:
    """The result of the last canary; without a running Loa it is of the past."""
    match canary.state:
        case "ok" if not at_work:
            return f"canary was ok {_minutes_ago(canary.since, now)}; no Loa runs now"
        case "ok":
            return f"canary ok {_minutes_ago(canary.since, now)}"
        case "late":
            late = f"canary late, none back since {_utc_time(canary.since)}"
            return late + _reason_suffix(canary.why)
        case "waiting":
            return "canary on its way, none back yet"
        case _:
            return f"canary {canary.state}"


def _minutes_ago(moment: datetime | None, now: float) -> str:
    minutes = int(max(now - moment.timestamp(), 0) // 60) if moment else 0
    return f"{minutes} min ago" if minutes else "just now"


def _utc_time(moment: datetime | None) -> str:
    return format_utc(moment) if moment else "?"


def _reason_suffix(reason: str) -> str:
    return f": {reason}" if reason else ""


def lane_cells(lane: LaneStatus) -> tuple[object, ...]:
    """The cells of a lane; `-` without throughput or without a running Loa."""
    left = "-" if lane.left_s is None else lane.left_s
    return lane.backlog, lane.oldest_s, lane.per_s or "-", left


def pause(channel: Name, reason: Why = "", by: By = "") -> None:
    """Stop a channel's deliveries within a second; the pause survives every restart."""
    name, why = _require_channel(channel), reason.strip()
    command = Command("channel.pause", name, by, reason=why)

    async def stop(bus: Bus, who: Actor) -> Versioned[pauses.Pause]:
        return await pauses.pause_if_running(bus, name, why, who.name or who.by)

    stored = run_audited(command, stop)
    if stored.just_written:
        output.print_field_texts(field_error(channel, "paused_now", channel=channel))
        return
    facts = {"at": _utc_time(stored.value.since), "who": stored.value.by or "-"}
    facts |= {"channel": channel, "reason": stored.value.reason or "-"}
    output.print_field_texts(field_error(channel, "paused_already", **facts))


def resume(channel: Name, by: By = "") -> None:
    """Let a paused channel go on."""
    name = _require_channel(channel)
    command = Command("channel.resume", name, by)
    ended = run_audited(command, lambda bus, _: pauses.resume(bus, name))
    output.print_field_texts(field_error(channel, "resumed_now" if ended else "resumed_already"))


def _require_channel(channel: str) -> ChannelName:
    """The channel of that name; exit code 2 when there is none."""
    if channel not in list(ChannelName):
        names = ", ".join(ChannelName)
        output.fail(field_error("channel", "channel_unknown", value=channel, known=names))
    return ChannelName(channel)
