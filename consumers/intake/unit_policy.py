"""The rights of a unit, as its registration says."""

from contracts import subjects
from contracts.records import UnitPolicy
from producers.bus import Bus, records
from producers.seals import NotSealed


async def read_policy(bus: Bus, unit: str) -> UnitPolicy:
    """The unit's policy; the strictest without a registration that Loa wrote."""
    try:
        found = await records.read(bus.bucket(subjects.UNITS.name), unit, UnitPolicy)
    except NotSealed:
        return UnitPolicy()
    return found.value or UnitPolicy()
