"""The record of a restore: since then, and until an operator ends it, deliveries are in doubt."""

from pydantic import AwareDatetime, BaseModel

from contracts import subjects
from producers.bus import Bus
from producers.bus.records import read

RESTORE_KEY = "restored"


class RestoreRecord(BaseModel):
    """The record of a restore: bucket `control`, key `restored`.

    `backup`: when the backup began; of several restores whose doubts no one has ended, the first
    one. `reconcile_only`: mail that may have gone out before is not sent again.
    """

    backup: AwareDatetime
    at: AwareDatetime
    publications: int
    """The last one that came out of the backup."""
    reconcile_only: bool = False


async def last_restore(bus: Bus) -> RestoreRecord | None:
    """The last restore, while its doubts are active."""
    return (await read(bus.bucket(subjects.CONTROL.name), RESTORE_KEY, RestoreRecord)).value
