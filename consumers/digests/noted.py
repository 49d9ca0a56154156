"""When digests are cut, as the service says that cuts them: bucket `control`.

Whoever asks may have other settings than that service, or none: so it leaves word.
"""

from consumers.digests.calendar import Calendar
from consumers.register import read
from contracts import subjects
from contracts.records import Record
from producers.bus import Bus

KEY = "digests.calendar"


class Hours(Record):
    """A `Calendar` as it is kept."""

    hour: int
    weekday: int


async def note(bus: Bus, calendar: Calendar) -> None:
    """The service that started last has the word. Raises BusError."""
    hours = Hours(hour=calendar.hour, weekday=calendar.weekday)
    await bus.bucket(subjects.CONTROL.name).put(KEY, hours.model_dump_json().encode())


async def noted(bus: Bus) -> Calendar | None:
    """None: no such service has started yet. Raises BusError."""
    hours = (await read(bus.bucket(subjects.CONTROL.name), KEY, Hours)).value
    return Calendar(hour=hours.hour, weekday=hours.weekday) if hours else None
