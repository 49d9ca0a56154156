"""Zalo message ids of case notices: bucket `notices`, as long as the contact is kept.

`sent.<tracking id>` holds the message id. `message.<message id>` holds the tracking id, only for
messages by user id: Zalo's events about those carry no tracking id. Both values are plain text."""

from channels.errors import Unreachable
from consumers.runtime.errors import unreachable_without_bus
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.records import NoticeRecord
from producers.bus import Bucket, Bus, InvalidKey

_MESSAGE_PREFIX, _SENT_PREFIX = "message.", "sent."


class NoticeMessageIds:
    """The Zalo channel's `MessageIdStore` on the bus."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.NOTICES.name)

    async def save(self, tracking_id: str, message_id: str, *, untracked: bool = False) -> None:
        with unreachable_without_bus():
            await self.bucket.put(_SENT_PREFIX + tracking_id, message_id.encode())
            if untracked:
                try:
                    await self.bucket.put(_MESSAGE_PREFIX + message_id, tracking_id.encode())
                except InvalidKey as invalid:
                    raise Unreachable("a message id that can't be a key") from invalid

    async def message_id(self, tracking_id: str) -> str:
        with unreachable_without_bus():
            value = await self.bucket.get(_SENT_PREFIX + tracking_id)
        return value.data.decode() if value else ""


class NoticeFinder:
    """Finds notices for as long as their contacts are kept. Raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    @property
    def bucket(self) -> Bucket:
        """The bucket as the bus opens it now: the key file may be opened after this object."""
        return self.bus.bucket(subjects.NOTICES.name)

    async def find(self, tracking_id: str, message_ids: tuple[str, ...]) -> list[BatchKey]:
        """Return the batches of these notices; each has one row."""
        tracked = [tracking_id] if tracking_id else await self.find_tracking_ids(message_ids)
        values = await self.bucket.get_many(tracked)
        records = [NoticeRecord.model_validate_json(value.data) for value in values.values()]
        zalo = ChannelName.ZALO
        return [BatchKey(zalo, record.content_id, record.revision, 0) for record in records]

    async def find_tracking_ids(self, message_ids: tuple[str, ...]) -> list[str]:
        """Return the tracking ids of messages that were sent without one."""
        values = await self.bucket.get_many([_MESSAGE_PREFIX + id for id in message_ids])
        return [value.data.decode() for value in values.values()]
