"""What Zalo's webhook hears goes onto the bus, once however often it is told."""

from datetime import datetime

from channels.errors import Unreachable
from channels.zalo.events import ZaloEvent
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError

ATTEMPT_S, PATIENCE_S = 1.0, 1.5
"""Zalo waits for two seconds; what was not stored by then it tells again."""


class Hearing:
    """Stores events on RECEIPTS as `receipt.zalo.<kind>`, under the event's key."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def store(self, event: ZaloEvent) -> None:
        """Returns once the bus has it on its disk. Raises Unreachable: perhaps it has not."""
        body = event.model_dump_json(exclude_defaults=True).encode()
        subject = subjects.receipt(ChannelName.ZALO, event.kind)
        try:
            await self.bus.publish(
                subject, body, msg_id=event.key, timeout_s=ATTEMPT_S, patience_s=PATIENCE_S
            )
        except BusError as away:
            raise Unreachable(type(away).__name__) from away

    async def last_at(self) -> datetime | None:
        """When Zalo last told something, by our clock. Raises BusError."""
        subject = subjects.receipt(ChannelName.ZALO, "*")
        found = await self.bus.last(subjects.RECEIPTS.name, subject)
        return found.time if found else None
