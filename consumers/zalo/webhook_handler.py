"""Handle Zalo's events about people and templates: follow, message, unfollow, erasure, quota."""

from dataclasses import dataclass

import structlog

from channels.zalo.case_notices.template_registry import TemplateRegistry
from channels.zalo.webhook.events import EventKind, ZaloEvent
from consumers.feedback.handler import AnyReceipt
from consumers.suppression.store import SuppressionStore
from consumers.zalo.auto_reply import AutoReply
from consumers.zalo.erasure import WITHDRAWN_REASON, Erasure, zalo_address
from consumers.zalo.followers import FollowerStore
from contracts.delivery import ChannelName

log = structlog.get_logger()
_CONSENTING_EVENTS = {EventKind.FOLLOW, EventKind.INBOUND, EventKind.INTERACTION}
"""Events that show that a person wants messages again."""


@dataclass
class ZaloEventHandler:
    """Handles events by their kinds."""

    followers: FollowerStore
    suppressions: SuppressionStore
    erasure: Erasure
    auto_reply: AutoReply
    templates: TemplateRegistry

    async def on_event(self, event: AnyReceipt) -> None:
        """Handle an event. Raises RetryLater if it is not done, BusError."""
        if not isinstance(event, ZaloEvent):
            return
        match event.kind:
            case EventKind.WITHDRAWN:
                await self.erasure.erase(event)
            case EventKind.TEMPLATE:
                await self.templates.apply_template_event(
                    event.template_id, state=event.state, quality=event.quality
                )
            case EventKind.QUOTA:
                await self.templates.apply_quota_event(event.quota, event.at.timestamp())
                log.info("zalo_daily_quota_changed", quota=event.quota)
            case EventKind.UNFOLLOW | EventKind.FOLLOW | EventKind.INTERACTION | EventKind.INBOUND:
                await self.on_person_event(event)

    async def on_person_event(self, event: ZaloEvent) -> None:
        """Record a person's event; a message gets a reply."""
        await self.followers.record_event(event)
        address, zalo = zalo_address(event.user_id), ChannelName.ZALO
        withdrawn = await self.suppressions.suppressed_since(zalo, address, WITHDRAWN_REASON)
        if withdrawn and event.at <= withdrawn:
            await self.followers.erase(event.user_id, withdrawn)
            return
        if event.kind in _CONSENTING_EVENTS:
            await self.suppressions.lift(zalo, address, requested_at=event.at)
        if event.kind is EventKind.INBOUND:
            await self.auto_reply.reply(event)
