"""Keep the records about people sealed, and their keys few: at the start, and once a day."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from consumers.key_file import SealingKeys
from contracts import subjects
from contracts.base.times import Clock, utc_now
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus, RevisionConflict
from producers.bus.periodic import every
from producers.bus.records import parse
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
        bucket, former = self.bus.bucket(subjects.SUBSCRIBERS.name), []
        if not isinstance(bucket, SealedBucket):
            return 0
        async for key, value in bucket.values("s."):
            reader = parse(Subscriber, value.data)
            if reader and not reader.active:
                former.append(key)
        count = 0
        for key in former:
            with suppress(RevisionConflict):  # changed just now; the next pass tries again
                count += await bucket.renew_key(key)
        return count
