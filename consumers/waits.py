"""Why what has not gone out waits, where its channel is the reason, and what to do now."""

from consumers import circuit, control, outlets, sight
from consumers.breaker import Breaker
from consumers.faults import fault, word
from consumers.status import moment
from consumers.story import Story
from contracts.delivery import ChannelName
from contracts.errors import FieldError
from producers.bus import Bus

NOW = {"index_lost": "`loa rebuild portal`"}
"""What mends a channel's trouble, where one command does."""


async def waits(bus: Bus, story: Story) -> list[FieldError]:
    """Of each channel in which something of the item is open. Raises BusError."""
    waiting = [name for name, count in story.channels.items() if not count.complete]
    if not waiting:
        return []
    pauses, breakers = await control.reasons(bus), await circuit.breakers(bus)
    found = [fault(name, "channel_paused", value=name) for name in waiting if name in pauses]
    found += [broken(name, breakers[name]) for name in waiting if not breakers[name].is_closed]
    blind = sight.unseen(await outlets.outlets(bus)) if ChannelName.PORTAL in waiting else None
    return [*found, blind.fault] if blind else found


def broken(name: ChannelName, breaker: Breaker) -> FieldError:
    """The channel itself can't work."""
    since = f"{moment(breaker.since):%Y-%m-%dT%H:%M:%SZ}"
    now = NOW.get(breaker.reason)
    code = "channel_broken_now" if now else "channel_broken"
    return fault(name, code, since=since, reason=word(breaker.reason), now=now)
