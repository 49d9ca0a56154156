"""Effects that fall due on the sandbox's clock: deliveries, and late effects of calls."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from contracts.base.times import vietnam_time
from sandbox.zalo.api.broadcast_audience import matching_people
from sandbox.zalo.errors import ApiError
from sandbox.zalo.state.conversations import Message
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.world import StoredBroadcast, World
from sandbox.zalo.webhooks import events


@dataclass
class LateEffects:
    """Postponed effects of calls; lost on a restart."""

    waiting: list[tuple[float, Callable[[], Awaitable[Any]]]] = field(default_factory=list)

    async def run_due(self, now: float) -> None:
        """Run the effects that are due, the oldest first."""
        due = sorted(
            (effect_at for effect_at in self.waiting if effect_at[0] <= now),
            key=lambda effect_at: effect_at[0],
        )
        self.waiting = [effect_at for effect_at in self.waiting if effect_at not in due]
        for _, effect in due:
            with suppress(ApiError):  # the caller is gone
                await effect()


def deliver_due(world: World) -> None:
    """Deliver all messages and broadcasts that are due."""
    now = world.clock()
    for sent in world.broadcasts:
        if sent.delivered is None and sent.at + world.rules.delivery_s <= now:
            _deliver_broadcast(world, sent, sent.at + world.rules.delivery_s)
    for message in list(world.conversations.in_transit.values()):
        _deliver_message(world, message, now)


def _deliver_broadcast(world: World, sent: StoredBroadcast, at: float) -> None:
    """Deliver one broadcast to each follower in its audience who has not had too many."""
    chosen = matching_people(world.people.followers(), sent.target)
    users = [person.user_id for person in chosen if _may_get_broadcast(world, person, at)]
    passed_over = [person.user_id for person in chosen if person.user_id not in users]
    world.record_at(at, "broadcast_delivered", id=sent.id, users=users, passed_over=passed_over)


def _may_get_broadcast(world: World, person: Person, at: float) -> bool:
    """One broadcast a day, and a limited number a month."""
    earlier = [
        vietnam_time(sent.delivered)
        for sent in world.broadcasts
        if sent.delivered is not None and person.user_id in sent.users
    ]
    here = vietnam_time(at)
    today = sum(f"{delivered_at:%Y-%m-%d}" == f"{here:%Y-%m-%d}" for delivered_at in earlier)
    this_month = sum(f"{delivered_at:%Y-%m}" == f"{here:%Y-%m}" for delivered_at in earlier)
    return today == 0 and this_month < world.rules.follower_broadcasts


def _deliver_message(world: World, message: Message, now: float) -> None:
    """Deliver one message, if it is due and the recipient's phone is on."""
    person = world.people.by_id.get(message.user_id)
    due = message.at + world.rules.receipt_after_s
    if due > now or (person is not None and not person.online):
        return
    at = max(due, person.changed) if person is not None else due
    world.record_at(at, "message_delivered", id=message.id)
    events.raise_receipt(world, message)
