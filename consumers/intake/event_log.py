"""Log of all accepted events by event id: bucket `events`, kept for ever.

The gateway records an event before it answers; for other doors, intake does. A repeat with the same
content passes and changes nothing. Other content under the same id is refused.
"""

from collections.abc import Sequence
from datetime import datetime

from contracts import subjects
from contracts.errors import Conflict, FieldError, field_error
from contracts.records import EventRecord
from producers.bus import Bus
from producers.bus.records import read, update


class EventLog:
    """Records events and their refusals."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.EVENTS.name)

    async def record(self, event_id: str, first: EventRecord) -> EventRecord:
        """The record of an event, new or existing. Raises Conflict for other content."""

        def move(found: EventRecord | None) -> EventRecord:
            if found and found.hash != first.hash:
                raise Conflict(field_error("id", "same_id_other_content"))
            return found or first

        return (await update(self.bucket, event_id, EventRecord, move)).value

    async def find(self, event_id: str) -> EventRecord | None:
        """The record of an event that was accepted before. Raises BusError."""
        return (await read(self.bucket, event_id, EventRecord)).value

    async def accepted_at(self, event_id: str) -> datetime | None:
        """When an event was accepted; None for one that is not on the log."""
        known = await self.find(event_id)
        return known.at if known else None

    async def refusal_errors(self, event_id: str) -> Sequence[FieldError]:
        """The errors for which intake refused the event's last attempt, if it did."""
        known = await self.find(event_id)
        return known.refused if known else ()

    async def record_result(
        self, event_id: str, known: EventRecord, errors: Sequence[FieldError]
    ) -> None:
        """Record how the last attempt ended: with *errors*, or with none."""

        def move(found: EventRecord | None) -> EventRecord:
            return (found or known).model_copy(update={"refused": tuple(errors)})

        if known.refused != tuple(errors):
            await update(self.bucket, event_id, EventRecord, move)
