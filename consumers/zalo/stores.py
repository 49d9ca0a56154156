"""The Zalo channel's stores on the bus: key values (tokens, quotas) and article records."""

from collections.abc import AsyncIterator
from dataclasses import replace

from channels.errors import Unreachable
from channels.zalo.client.store import StoredValue
from channels.zalo.errors import StaleValue
from channels.zalo.publications.record import ArticleRecord
from consumers.runtime.errors import unreachable_without_bus
from contracts import subjects
from producers.bus import Bus, NoReply, RevisionConflict

MAX_TRIES = 3


class BusKeyValueStore:
    """The Zalo channel's `KeyValueStore`: bucket `vault`, or *bucket* for public values."""

    def __init__(self, bus: Bus, bucket: str = subjects.VAULT.name) -> None:
        self.bucket = bus.bucket(bucket)

    async def get(self, key: str) -> StoredValue | None:
        with unreachable_without_bus():
            value = await self.bucket.get(key)
        return StoredValue(value.data, value.revision) if value else None

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        with unreachable_without_bus():
            try:
                return await self.bucket.swap(key, data, revision)
            except RevisionConflict as conflict:
                raise StaleValue from conflict


class BusArticleStore:
    """The Zalo channel's `ArticleStore`: bucket `ledger`, key `note.zalo.<app_id>.<content_id>`."""

    def __init__(self, bus: Bus, app_id: str) -> None:
        self.bucket = bus.bucket(subjects.LEDGER.name)
        self.prefix = f"note.zalo.{app_id}."

    async def read(self, content_id: str) -> ArticleRecord:
        with unreachable_without_bus():
            value = await self.bucket.get(self.prefix + content_id)
        return ArticleRecord.decode(value.data, value.revision) if value else ArticleRecord()

    async def all(self) -> AsyncIterator[tuple[str, ArticleRecord]]:
        with unreachable_without_bus():
            async for key, value in self.bucket.values(self.prefix):
                record = ArticleRecord.decode(value.data, value.revision)
                yield key.removeprefix(self.prefix), record

    async def write(self, content_id: str, record: ArticleRecord) -> ArticleRecord:
        key, data = self.prefix + content_id, record.encode()
        with unreachable_without_bus():
            try:
                revision = await self.swap_with_read_back(key, data, record.at)
            except RevisionConflict as conflict:
                raise Unreachable("the note was changed meanwhile") from conflict
        return replace(record, at=revision)

    async def swap_with_read_back(self, key: str, data: bytes, revision: int) -> int:
        """Replace *revision* by *data*. Raises RevisionConflict, except after our own write."""
        had_no_reply = False
        for _ in range(MAX_TRIES):
            try:
                return await self.bucket.swap(key, data, revision)
            except NoReply:
                had_no_reply = True
            except RevisionConflict:
                if not had_no_reply:
                    raise
            stored = await self.bucket.get(key)
            if stored and stored.data == data:
                return stored.revision
            if (stored.revision if stored else 0) != revision:
                raise RevisionConflict(f"{key} was changed meanwhile")
        raise NoReply(f"{key}: no answer to {MAX_TRIES} writes")
