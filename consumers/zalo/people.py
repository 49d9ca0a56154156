"""Woken by what Zalo tells of people and templates: who came, wrote, left, is to be forgotten."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from channels.zalo.events import EventKind, ZaloEvent
from consumers.feedback import Receipt
from consumers.suppressions import Suppressions
from consumers.zalo.erasure import WITHDRAWN, Erasure, address_of
from consumers.zalo.followers import Followers
from consumers.zalo.greeting import Greeting
from contracts.delivery import ChannelName

log = structlog.get_logger()
SPOKEN = {EventKind.FOLLOW, EventKind.INBOUND, EventKind.INTERACTION}
"""What shows that a person wants to be told something again."""
Heard = Callable[..., Awaitable[None]]


@dataclass
class People:
    """*heard* and *heard_quota* take news of templates; see `channels.zalo.templates`."""

    followers: Followers
    suppressions: Suppressions
    erasure: Erasure
    greeting: Greeting
    heard: Heard
    heard_quota: Heard

    async def on_event(self, event: Receipt | ZaloEvent) -> None:
        """Raises Later for what is not done, BusError when the bus is away."""
        if isinstance(event, Receipt):
            return
        match event.kind:
            case EventKind.WITHDRAWN:
                await self.erasure.erase(event)
            case EventKind.TEMPLATE:
                await self.heard(event.template_id, state=event.state, quality=event.quality)
            case EventKind.QUOTA:
                await self.heard_quota(event.quota, event.at.timestamp())
                log.info("zalo_daily_quota_changed", quota=event.quota)
            case EventKind.UNFOLLOW | EventKind.FOLLOW | EventKind.INTERACTION | EventKind.INBOUND:
                await self.meet(event)

    async def meet(self, event: ZaloEvent) -> None:
        """Note what the person did; who wrote gets a reply."""
        await self.followers.hear(event)
        address = address_of(event.user_id)
        withdrawn = await self.suppressions.since(ChannelName.ZALO, address, WITHDRAWN)
        if withdrawn and event.at <= withdrawn:
            await self.followers.forget(event.user_id, withdrawn)
            return
        if event.kind in SPOKEN:
            await self.suppressions.lift(ChannelName.ZALO, address, said_at=event.at)
        if event.kind is EventKind.INBOUND:
            await self.greeting.answer(event)
