"""`loa pause`, `loa resume`: the channels."""

from datetime import datetime
from typing import Annotated

import typer
from pydantic import BaseModel

from consumers.channel_health import pauses
from consumers.cli import output
from consumers.cli.acts import By, Command, run_audited
from consumers.messages import field_error
from consumers.staff.authorization import Actor
from contracts.delivery import ChannelName
from contracts.errors import FieldError
from producers.bus import Bus
from producers.bus.records import Versioned, require

Name = Annotated[ChannelName, typer.Argument(help="The channel.")]
Why = Annotated[str, typer.Option("--reason", help="Why; `loa status` shows it.")]


class PauseAnswer(BaseModel):
    """The answer of `pause` and `resume`. *changed*: it was not so before."""

    channel: ChannelName
    paused: bool
    changed: bool
    since: datetime | None = None
    by: str = ""
    reason: str = ""


@output.page(PauseAnswer, examples=('loa pause email --reason "relay moves"',))
def pause(channel: Name, reason: Why = "", by: By = "", as_json: output.Json = False) -> None:
    """Stop a channel's deliveries within a second; the pause survives every restart."""
    why = reason.strip()
    command = Command("channel.pause", channel, by, reason=why)

    async def stop(bus: Bus, who: Actor) -> Versioned[pauses.Pause]:
        return await pauses.pause_if_running(bus, channel, why, who.name or who.by)

    stored = run_audited(command, stop)
    facts = stored.value.model_dump(include={"since", "by", "reason"})
    changed = stored.just_written
    answer = PauseAnswer(channel=channel, paused=True, changed=changed, **facts)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(_paused_text(answer)))


def _paused_text(pause: PauseAnswer) -> FieldError:
    channel = pause.channel
    if pause.changed:
        return field_error(channel, "paused_now", channel=channel)
    facts = {
        "at": require(pause.since),
        "who": pause.by or "-",
        "channel": channel,
    }
    reason = pauses.describe_reason(pause.reason or "-")
    return field_error(channel, "paused_already", **facts, reason=reason)


@output.page(PauseAnswer, examples=("loa resume email",))
def resume(channel: Name, by: By = "", as_json: output.Json = False) -> None:
    """Let a paused channel go on."""
    command = Command("channel.resume", channel, by)
    ended = run_audited(command, lambda bus, _: pauses.resume(bus, channel))
    answer = PauseAnswer(channel=channel, paused=False, changed=bool(ended))
    text = field_error(channel, "resumed_now" if ended else "resumed_already")
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))
