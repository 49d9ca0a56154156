"""Reports of the portal's replicas, and of its writer to them. Bucket `control`.

A replica writes its own record and no other; the portal's worker writes the record of the portal.
"""

from collections.abc import Sequence

from contracts import subjects
from contracts.facts.public_figures import PublicFigures
from contracts.records import Record
from producers.bus import Bus, records

_PREFIX, _PORTAL_KEY = "replica.", "portal.shown"
REPORT_S = 10.0
"""How often a replica says how far it is."""
BEHIND_S = 60.0
"""A replica that is so much older than the portal needs a person."""
SILENT_S = 120.0
"""A replica that says nothing for so long needs a person, too."""
_FORGOTTEN_S = 7 * 86400.0
"""A replica that said nothing for so long has been taken away."""


class ShownPortal(Record):
    """Inputs of the portal's files besides the publications."""

    edition: str = ""
    """The hash of settings, vocabulary, texts and templates."""
    figures: PublicFigures | None = None


class ReplicaRecord(Record):
    """One replica, as it said at `at`, in seconds since the epoch."""

    name: str
    at: float
    lag_s: float | None = None
    """How much older than the portal it is; None before it knows."""
    seq: int = 0
    """Up to where it has followed the ledger."""
    edition: str = ""


async def write_shown(bus: Bus, shown: ShownPortal) -> None:
    """Store it where it has changed. Raises BusError."""
    if await load_shown_portal(bus) != shown:
        data = shown.model_dump_json().encode()
        await bus.bucket(subjects.CONTROL.name).put(_PORTAL_KEY, data)


async def load_shown_portal(bus: Bus) -> ShownPortal | None:
    """Latest report of the portal's worker. Raises BusError."""
    bucket = bus.bucket(subjects.CONTROL.name)
    return (await records.read_or_absent(bucket, _PORTAL_KEY, ShownPortal)).value


async def write_replica(bus: Bus, replica: ReplicaRecord) -> None:
    """Raises BusError."""
    bucket = bus.bucket(subjects.CONTROL.name)
    await bucket.put(f"{_PREFIX}{replica.name}", replica.model_dump_json().encode())


async def forget_replica(bus: Bus, name: str) -> None:
    """Raises BusError."""
    await bus.bucket(subjects.CONTROL.name).purge(f"{_PREFIX}{name}")


async def load_replicas(bus: Bus, now: float) -> Sequence[ReplicaRecord]:
    """The replicas that are there, by name. Raises BusError."""
    found = {
        key: records.parse(ReplicaRecord, value.data)
        async for key, value in bus.bucket(subjects.CONTROL.name).values(_PREFIX)
    }
    known = [one for _, one in sorted(found.items()) if one]
    return [one for one in known if now - one.at < _FORGOTTEN_S]
