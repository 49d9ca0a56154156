"""Which message at Zalo a case notice became: bucket `notices`, as long as its contact is there.

`sent.<tracking id>` holds the message id. `message.<message id>` holds the tracking id, only for
messages by user id: Zalo's events about those name nothing else. Both values are plain text.
"""

from channels.errors import Unreachable
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.records import NoticeRecord
from producers.bus import BadKey, Bus, BusError

MESSAGE, SENT = "message.", "sent."


class BusSent:
    """The Zalo channel's `Sent` on the bus."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.NOTICES.name)

    async def keep(self, tracking_id: str, message_id: str, *, untracked: bool = False) -> None:
        try:
            await self.bucket.put(SENT + tracking_id, message_id.encode())
            if untracked:
                await self.bucket.put(MESSAGE + message_id, tracking_id.encode())
        except BadKey as odd:
            raise Unreachable("a message id that can't be a key") from odd
        except BusError as away:
            raise Unreachable("bus") from away

    async def message_id(self, tracking_id: str) -> str:
        try:
            value = await self.bucket.get(SENT + tracking_id)
        except BusError as away:
            raise Unreachable("bus") from away
        return value.data.decode() if value else ""


class ToldNotices:
    """Looks notices up for as long as their contacts are kept. Raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.NOTICES.name)

    async def find(self, tracking_id: str, message_ids: tuple[str, ...]) -> list[BatchKey]:
        """The batches of these notices; each has one row."""
        tracked = [tracking_id] if tracking_id else await self.tracked(message_ids)
        found = await self.bucket.many(tracked)
        records = [NoticeRecord.model_validate_json(value.data) for value in found.values()]
        return [BatchKey(ChannelName.ZALO, one.content_id, one.revision, 0) for one in records]

    async def tracked(self, message_ids: tuple[str, ...]) -> list[str]:
        """The tracking ids of messages that went out without one."""
        found = await self.bucket.many([MESSAGE + id for id in message_ids])
        return [value.data.decode() for value in found.values()]
