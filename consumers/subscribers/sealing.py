"""Keep the records about people sealed, and their keys few: at the start, and once a day."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from consumers.key_file import SealingKeys
from consumers.subscribers.store import former_readers
from contracts import subjects
from contracts.base.times import Clock, utc_now
from producers.bus import Bus, RevisionConflict
from producers.bus.periodic import every
from producers.encryption import SealedBucket
from producers.encryption.existing_records import BucketMigration
from producers.encryption.maintenance import destroy_unused_keys

log = structlog.get_logger()
_INTERVAL = timedelta(days=1)
_LOOK_EVERY_S = 60.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


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
        """Run once a day. Raises BusError; then it stays due."""
        now = utc_now(self.clock)
        if now >= self.due:
            await self.run_once()
            self.due = now + _INTERVAL

    async def run_once(self) -> None:
        """Raises BusError."""
        await self.keys.notices.prove()
        for bucket in (subjects.SUBSCRIBERS, subjects.NOTICES):
            await BucketMigration(self.bus, bucket.name).run()
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
