"""Publish each event of Zalo's webhook on the bus, once however often Zalo repeats it."""

from datetime import datetime

from channels.errors import Unreachable
from channels.zalo.webhook.events import ZaloEvent
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError
from producers.seals import publish_sealed

PUBLISH_TIMEOUT_S, PUBLISH_PATIENCE_S = 1.0, 1.5
"""Zalo waits for two seconds, and repeats events that were not stored by then."""


class ZaloEventPublisher:
    """Publishes events on RECEIPTS as `receipt.zalo.<kind>`, sealed, once for each key."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def publish(self, event: ZaloEvent) -> None:
        """Return once the bus has the event on disk. Raises Unreachable if that is unknown."""
        body = event.model_dump_json(exclude_defaults=True).encode()
        subject = subjects.receipt(ChannelName.ZALO, event.kind)
        try:
            await publish_sealed(
                self.bus,
                subject,
                body,
                event.key,
                timeout_s=PUBLISH_TIMEOUT_S,
                patience_s=PUBLISH_PATIENCE_S,
            )
        except BusError as error:
            raise Unreachable(type(error).__name__) from error

    async def last_event_at(self) -> datetime | None:
        """Return the time of Zalo's last event, by our clock. Raises BusError."""
        subject = subjects.receipt(ChannelName.ZALO, "*")
        message = await self.bus.last_message(subjects.RECEIPTS.name, subject)
        return message.time if message else None
