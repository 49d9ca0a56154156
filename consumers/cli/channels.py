"""`loa pause`, `loa resume`: the channels."""

from typing import Annotated

import typer

from consumers.channel_health import pauses
from consumers.cli import output
from consumers.cli.acts import By, Command, run_audited
from consumers.messages import field_error
from consumers.staff.authorization import Actor
from contracts.base.times import format_for_people
from contracts.delivery import ChannelName
from producers.bus import Bus
from producers.bus.records import Versioned

Name = Annotated[str, typer.Argument(help=" or ".join(", ".join(ChannelName).rsplit(", ", 1)))]
Why = Annotated[str, typer.Option("--reason", help="Why; shown to whoever asks later.")]


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
    facts = {"at": format_for_people(stored.value.since), "who": stored.value.by or "-"}
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
        names = tuple(ChannelName)
        output.fail(field_error("channel", "channel_unknown", value=channel, known=names))
    return ChannelName(channel)
