"""Every event ever taken in, by its key: bucket `events`, kept for ever.

The HTTP door books an event before it answers; for other doors intake does. A repeat with the same
content is let through (and changes nothing further on), another content under the same id is not.
"""

from collections.abc import Sequence

from contracts import subjects
from contracts.errors import Conflict, FieldError, field_error
from contracts.records import EventRecord
from producers.bus import Bus
from producers.bus.records import read, update


class EventLog:
    """Books events and their refusals."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.EVENTS.name)

    async def record(self, event_id: str, first: EventRecord) -> EventRecord:
        """The record of an event, new or known. Raises Conflict for another content."""

        def move(found: EventRecord | None) -> EventRecord:
            if found and found.hash != first.hash:
                raise Conflict(field_error("id", "same_id_other_content"))
            return found or first

        return (await update(self.bucket, event_id, EventRecord, move)).required

    async def refusal_errors(self, event_id: str) -> Sequence[FieldError]:
        """Why intake refused an event, if that is how its last try ended."""
        held = await read(self.bucket, event_id, EventRecord)
        return held.value.refused if held.value else ()

    async def record_result(
        self, event_id: str, known: EventRecord, errors: Sequence[FieldError]
    ) -> None:
        """Say how the last try ended: *errors*, or none."""

        def move(found: EventRecord | None) -> EventRecord:
            return (found or known).model_copy(update={"refused": tuple(errors)})

        if known.refused != tuple(errors):
            await update(self.bucket, event_id, EventRecord, move)
