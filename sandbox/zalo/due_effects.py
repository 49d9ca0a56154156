"""What happens because time passes on the sandbox's clock: deliveries, and late effects."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from channels.zalo.client.clock import vietnam_time
from sandbox.zalo.api.broadcast_audience import matching_people
from sandbox.zalo.middleware import ApiError
from sandbox.zalo.state.conversations import Message
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.world import StoredBroadcast, World
from sandbox.zalo.webhooks import events


@dataclass
class LateEffects:
    """Effects on their way to the world; a restart loses them, as faults are lost."""

    waiting: list[tuple[float, Callable[[], Awaitable[Any]]]] = field(default_factory=list)

    async def run_due(self, now: float) -> None:
        """Let those happen that are due, the oldest first."""
        due = sorted((one for one in self.waiting if one[0] <= now), key=lambda one: one[0])
        self.waiting = [one for one in self.waiting if one not in due]
        for _, effect in due:
            with suppress(ApiError):  # nobody waits for the answer any more
                await effect()


def deliver_due(world: World) -> None:
    """Deliver what is due by now."""
    now = world.clock()
    for sent in world.broadcasts:
        if sent.delivered is None and sent.at + world.rules.delivery_s <= now:
            deliver_broadcast(world, sent, sent.at + world.rules.delivery_s)
    for message in list(world.conversations.in_transit.values()):
        deliver_message(world, message, now)


def deliver_broadcast(world: World, sent: StoredBroadcast, at: float) -> None:
    """One broadcast reaches each follower who is meant, and has not had too many."""
    chosen = matching_people(world.people.followers(), sent.target)
    users = [one.user_id for one in chosen if may_get_broadcast(world, one, at)]
    passed_over = [one.user_id for one in chosen if one.user_id not in users]
    world.record_at(at, "broadcast_delivered", id=sent.id, users=users, passed_over=passed_over)


def may_get_broadcast(world: World, person: Person, at: float) -> bool:
    """One broadcast a day, and so many a month."""
    had = [
        vietnam_time(sent.delivered)
        for sent in world.broadcasts
        if sent.delivered is not None and person.user_id in sent.users
    ]
    here = vietnam_time(at)
    today = sum(f"{one:%Y-%m-%d}" == f"{here:%Y-%m-%d}" for one in had)
    this_month = sum(f"{one:%Y-%m}" == f"{here:%Y-%m}" for one in had)
    return today == 0 and this_month < world.rules.follower_broadcasts


def deliver_message(world: World, message: Message, now: float) -> None:
    """One message reaches its recipient, if it is time and their phone is on."""
    person = world.people.by_id.get(message.user_id)
    due = message.at + world.rules.receipt_after_s
    if due > now or (person is not None and not person.online):
        return
    at = max(due, person.changed) if person is not None else due
    world.record_at(at, "message_delivered", id=message.id)
    events.raise_receipt(world, message)
