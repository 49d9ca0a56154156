"""Keep the records of subscribers sealed: at the start, and once a day."""

from dataclasses import dataclass

import structlog

from contracts import subjects
from contracts.base.times import Clock, utc_now
from producers.bus import Bus
from producers.bus.periodic import every
from producers.encryption.existing_records import TakeOver
from producers.encryption.keys import PersonKeys
from producers.encryption.maintenance import destroy_unused_keys

log = structlog.get_logger()
_INTERVAL_S = 86400.0


@dataclass
class RecordSealer:
    """Seals what an earlier version has stored, and destroys keys that a crash has left."""

    bus: Bus
    keys: PersonKeys
    clock: Clock

    async def run_once(self) -> None:
        """Raises BusError."""
        await TakeOver(self.bus, subjects.SUBSCRIBERS.name).run()
        if count := await destroy_unused_keys(self.bus, self.keys, utc_now(self.clock)):
            log.info("person_keys_destroyed", keys=count)

    async def run(self) -> None:
        await every(_INTERVAL_S, self.run_once)
