"""Which case notice a message of Zalo's was: by our tracking id, or by the id that Zalo gave it."""

from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.records import NoticeRecord
from producers.bus import Bus

MESSAGE = "message."
"""Bucket `notices`: `message.<Zalo's message id>` → the tracking id, as text."""


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
