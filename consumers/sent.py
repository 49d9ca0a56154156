"""Which message at Zalo a case notice became: bucket `notices`, as long as its contact is there.

`sent.<tracking id>` holds the message id. `message.<message id>` holds the tracking id, only for
messages by user id: Zalo's events about those name nothing else. Both values are plain text.
"""

from channels.errors import Unreachable
from contracts import subjects
from producers.bus import BadKey, Bus, BusError


class BusSent:
    """The Zalo channel's `Sent` on the bus."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.NOTICES.name)

    async def keep(self, tracking_id: str, message_id: str, *, untracked: bool = False) -> None:
        try:
            await self.bucket.put(f"sent.{tracking_id}", message_id.encode())
            if untracked:
                await self.bucket.put(f"message.{message_id}", tracking_id.encode())
        except BadKey as odd:
            raise Unreachable("a message id that can't be a key") from odd
        except BusError as away:
            raise Unreachable("bus") from away

    async def message_id(self, tracking_id: str) -> str:
        try:
            value = await self.bucket.get(f"sent.{tracking_id}")
        except BusError as away:
            raise Unreachable("bus") from away
        return value.data.decode() if value else ""
