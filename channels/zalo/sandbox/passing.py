"""What happens because time passes on the sandbox's clock: deliveries, and late effects."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from channels.zalo.hours import local
from channels.zalo.sandbox import hooks
from channels.zalo.sandbox.audience import meant
from channels.zalo.sandbox.people import Person
from channels.zalo.sandbox.talk import Message
from channels.zalo.sandbox.wire import Refusal
from channels.zalo.sandbox.world import Sent, World


@dataclass
class Late:
    """Effects on their way to the world; a restart loses them, as faults are lost."""

    waiting: list[tuple[float, Callable[[], Awaitable[Any]]]] = field(default_factory=list)

    async def happen(self, now: float) -> None:
        """Let those happen that are due, the oldest first."""
        due = sorted((one for one in self.waiting if one[0] <= now), key=lambda one: one[0])
        self.waiting = [one for one in self.waiting if one not in due]
        for _, effect in due:
            with suppress(Refusal):  # nobody waits for the answer any more
                await effect()


def settle(world: World) -> None:
    """Deliver what is due by now."""
    now = world.clock()
    for sent in world.broadcasts:
        if sent.delivered is None and sent.at + world.rules.delivery_s <= now:
            spread(world, sent, sent.at + world.rules.delivery_s)
    for message in list(world.talk.on_the_way.values()):
        arrive(world, message, now)


def spread(world: World, sent: Sent, at: float) -> None:
    """One broadcast reaches each follower who is meant, and has not had too many."""
    chosen = meant(world.people.followers(), sent.target)
    users = [one.user_id for one in chosen if room(world, one, at)]
    passed_over = [one.user_id for one in chosen if one.user_id not in users]
    world.record_at(at, "broadcast_delivered", id=sent.id, users=users, passed_over=passed_over)


def room(world: World, person: Person, at: float) -> bool:
    """One broadcast a day, and so many a month."""
    had = [
        local(sent.delivered)
        for sent in world.broadcasts
        if sent.delivered is not None and person.user_id in sent.users
    ]
    here = local(at)
    today = sum(f"{one:%Y-%m-%d}" == f"{here:%Y-%m-%d}" for one in had)
    this_month = sum(f"{one:%Y-%m}" == f"{here:%Y-%m}" for one in had)
    return today == 0 and this_month < world.rules.follower_broadcasts


def arrive(world: World, message: Message, now: float) -> None:
    """One message reaches its recipient, if it is time and their phone is on."""
    person = world.people.by_id.get(message.user_id)
    due = message.at + world.rules.receipt_after_s
    if due > now or (person is not None and not person.online):
        return
    at = max(due, person.changed) if person is not None else due
    world.record_at(at, "message_delivered", id=message.id)
    hooks.receipt(world, message)
