"""Keep the records about people sealed, and their keys few: at the start, and once a day."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import AwareDatetime

from consumers.key_file import SealingKeys
from consumers.subscribers.store import former_readers
from contracts import subjects
from contracts.base.times import Clock, utc_now
from contracts.records import Record
from producers.bus import Bus, RevisionConflict, records
from producers.bus.periodic import every
from producers.encryption import SealedBucket
from producers.encryption.existing_records import BucketMigration
from producers.encryption.maintenance import destroy_unused_keys

log = structlog.get_logger()
_INTERVAL = timedelta(days=1)
_LOOK_EVERY_S = 60.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_CLEANING = "sealing.cleaned"


class LastCleaning(Record):
    """Bucket `control`: when a process began to read all keys last."""

    at: AwareDatetime


@dataclass
class RecordSealer:
    """Seals what an earlier version has stored, and destroys keys that a crash has left."""

    bus: Bus
    keys: SealingKeys
    clock: Clock
    due: datetime = _LONG_AGO

    async def run(self) -> None:
        await every(_LOOK_EVERY_S, self.run_if_due)

    async def run_if_due(self) -> None:
        """Run at the start and once a day. Raises BusError; then it stays due.

        All keys are read once a day, also by several processes and after restarts.
        """
        now = utc_now(self.clock)
        if now < self.due:
            return
        await self.seal_existing()
        cleaned_at = await self.last_cleaning()
        if not cleaned_at <= now < cleaned_at + _INTERVAL:
            await self.clean_keys()
            cleaned_at = now
            done = LastCleaning(at=now).model_dump_json().encode()
            await self.bus.bucket(subjects.CONTROL.name).put(_LAST_CLEANING, done)
        self.due = cleaned_at + _INTERVAL

    async def last_cleaning(self) -> datetime:
        bucket = self.bus.bucket(subjects.CONTROL.name)
        last = (await records.read_or_absent(bucket, _LAST_CLEANING, LastCleaning)).value
        return last.at if last else _LONG_AGO

    async def seal_existing(self) -> None:
        """Seal what an earlier version has stored plain. Raises BusError."""
        await self.keys.notices.prove()
        for bucket in (subjects.SUBSCRIBERS, subjects.NOTICES):
            await BucketMigration(self.bus, bucket.name).run()

    async def clean_keys(self) -> None:
        """Destroy keys without a record, and renew those of former readers. Raises BusError."""
        count = await destroy_unused_keys(self.bus, self.keys.people, utc_now(self.clock))
        if count := count + await self.keys.notices.destroy_expired(self.bus):
            log.info("person_keys_destroyed", keys=count)
        if count := await self.renew_former():
            log.info("person_keys_renewed", keys=count)

    async def renew_former(self) -> int:
        """Make what the disk still has of readers who left unreadable: their older records."""
        bucket, count = self.bus.bucket(subjects.SUBSCRIBERS.name), 0
        if not isinstance(bucket, SealedBucket):
            return 0
        async for reader in former_readers(bucket):
            with suppress(RevisionConflict):  # changed just now; the next pass tries again
                count += await bucket.renew_key(f"s.{reader.id}")
        return count
