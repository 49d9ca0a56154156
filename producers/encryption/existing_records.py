"""Seal the records that an earlier version stored plain, and drop their bytes from the disk.

The server removes a file of messages when none of them is current any more, but never from the
file it is writing: a replaced value, or a purged one, may stay in that for years. So the bucket is
pushed on to a new file, and every older entry is written again behind that, sealed where it is to
be; then no older file is left. All writes are compare-and-set: others may write meanwhile, and a
pass that was killed is repeated."""

from contextlib import suppress

import structlog
from pydantic import BaseModel

from contracts import subjects
from producers.bus import BatchEntry, Bucket, Bus, Message, RevisionConflict, records
from producers.encryption.day_keys import ExpiringSealedBucket
from producers.encryption.registration import holds_person
from producers.encryption.values import is_sealed

log = structlog.get_logger()
_PROGRESS_PREFIX = "sealing."
_CHUNK_SIZE = 250
_FILLER_KEY = "sealing.filler"
_FILLER = bytes(512 << 10)
_FILLER_COUNT = 18
"""9 MiB: the server's files of messages have at most 8 MiB."""


class _SealingProgress(BaseModel):
    """Bucket `control`, key `sealing.<bucket>`: up to *seq* every record is sealed.

    *began*: plain records were found, and the pass that seals them has not ended.
    """

    seq: int = 0
    began: bool = False


class BucketMigration:
    """Rewrites one bucket as this version stores it, on a bus that seals it. Raises BusError."""

    def __init__(self, bus: Bus, name: str) -> None:
        self.bus = bus
        self.bucket, self.stored = bus.bucket(name), bus.stored_bucket(name)
        self.control = bus.bucket(subjects.CONTROL.name)
        self.progress_key = _PROGRESS_PREFIX + name

    async def run(self) -> int:
        """Seal what is stored plain; return the number of records."""
        progress = await records.read(self.control, self.progress_key, _SealingProgress)
        before = progress.value or _SealingProgress()
        until = await self.stored.last_seq()
        count = await self.count_plain(before.seq + 1)
        if count or before.began:
            await self._save(_SealingProgress(seq=before.seq, began=True))
            await self.rewrite()
            log.warning("people_sealed", bucket=self.bucket.name, records=count)
        await self._save(_SealingProgress(seq=until))
        return count

    async def count_plain(self, start: int) -> int:
        values = self.stored.values(start=start)
        return len([key async for key, value in values if self.is_plain(key, value.data)])

    def is_plain(self, key: str, data: bytes) -> bool:
        return holds_person(self.bucket.name, key) and not is_sealed(data)

    async def rewrite(self) -> None:
        """Write every entry again, behind a new file of messages."""
        last = 0
        for _ in range(_FILLER_COUNT):
            last = await self.stored.put(_FILLER_KEY, _FILLER)
        chunk: list[Message] = []
        async for message in self.bus.scan(self.stored.stream):
            if message.seq >= last:
                break
            chunk.append(message)
            if len(chunk) >= _CHUNK_SIZE:
                await self.rewrite_chunk(chunk)
                chunk = []
        await self.rewrite_chunk(chunk)
        await self.stored.purge(_FILLER_KEY)

    async def rewrite_chunk(self, messages: list[Message]) -> None:
        """Write entries again; one that has changed meanwhile is behind the new file already."""
        entries = []
        for message in messages:
            key = self.key_of(message)
            if message.is_deleted:
                with suppress(RevisionConflict):
                    await self.stored.purge_if(key, message.seq)
            else:
                entries.append(BatchEntry(key, await self.aged(key, message), message.seq))
        if entries:
            await _write_unchanged(self.bucket, entries)

    def key_of(self, message: Message) -> str:
        return message.subject.removeprefix(f"$KV.{self.stored.name}.")

    async def aged(self, key: str, message: Message) -> bytes:
        """A value to write again: what expires by itself keeps the day it was first written."""
        if not isinstance(self.bucket, ExpiringSealedBucket):
            return message.data
        return await self.bucket.seal_value(key, message.data, message.time.date().isoformat())

    async def _save(self, progress: _SealingProgress) -> None:
        await self.control.put(self.progress_key, progress.model_dump_json().encode())


async def _write_unchanged(bucket: Bucket, entries: list[BatchEntry]) -> None:
    """Write entries in one commit, or, if some have changed, those that have not."""
    try:
        await bucket.batch(entries)
    except RevisionConflict:
        for entry in entries:
            with suppress(RevisionConflict):
                await bucket.swap(entry.key, entry.data, entry.expected_revision or 0)
