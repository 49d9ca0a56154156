"""Take over followers whom an earlier version stored under their ids at Zalo.

A key is plain on the disk, also that of a record long gone. So each record moves to the keyed hash
of its id, and the files that named it are dropped; see `producers.encryption.existing_records`."""

from contextlib import suppress

from consumers.zalo.followers import Follower, FollowerStore
from contracts import subjects
from producers.bus import Bus, Message, RevisionConflict
from producers.encryption.existing_records import BucketMigration


class FollowerKeys(BucketMigration):
    """Renames the keys of bucket `followers`; it may be repeated. Raises BusError."""

    def __init__(self, bus: Bus, followers: FollowerStore) -> None:
        super().__init__(bus, subjects.FOLLOWERS.name)
        self.followers = followers

    def is_plain(self, key: str, _data: bytes) -> bool:
        """Whether *key* is an id; keyed hashes are longer, and no number."""
        return key.isdigit()

    async def count_plain(self, start: int) -> int:
        """Count entries under ids, marks of removed ones included."""
        messages = self.bus.scan(self.stored.stream, start=start)
        return len([one async for one in messages if self.is_plain(self.key_of(one), b"")])

    async def keep_mark(self, user_id: str) -> None:
        """Leave the mark of a removed record under its hash: a bucket never has fewer keys."""
        with suppress(RevisionConflict):  # the person has come back
            await self.stored.purge_if(self.followers.key_of(user_id), 0)

    async def rewrite_chunk(self, messages: list[Message]) -> None:
        others = []
        for message in messages:
            if not self.is_plain(self.key_of(message), b""):
                others.append(message)
                continue
            if message.is_deleted:
                await self.keep_mark(self.key_of(message))
            else:
                old = Follower.model_validate_json(message.data)
                await self.followers.take_over(self.key_of(message), old)
            await self.bus.erase_message(self.stored.stream, message.seq)
        await super().rewrite_chunk(others)
