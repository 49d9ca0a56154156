"""Why an event was refused: by intake, which leaves a dead letter, or by the desk."""

from collections.abc import Sequence

from consumers.dead_letters.trace import letters_about
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from contracts import subjects
from contracts.errors import FieldError
from contracts.records import EventRecord
from producers.bus import Bus
from producers.bus.records import read

_DISCARDED = "discarded"


async def find_refusal(bus: Bus, event_id: str, content_id: str) -> Sequence[FieldError]:
    """The errors of an event that was refused; empty for any other one. Raises BusError."""
    record = (await read(bus.bucket(subjects.EVENTS.name), event_id, EventRecord)).value
    if record is None:
        return await _letter_errors(bus, event_id, content_id)
    return record.refused or await _desk_errors(bus, event_id, content_id)


async def _letter_errors(bus: Bus, event_id: str, content_id: str) -> Sequence[FieldError]:
    """The errors of the last letter of an event that died before it was recorded."""
    letters = [
        one for one in await letters_about(bus, content_id) if one.about.event_id == event_id
    ]
    last = letters[-1] if letters else None
    is_refused = last and (last.ended is None or last.ended.state == _DISCARDED)
    return last.errors if last and is_refused else ()


async def _desk_errors(bus: Bus, event_id: str, content_id: str) -> Sequence[FieldError]:
    repository = ItemRepository(bus)
    item = await repository.item(content_id)
    number = item.position_of(event_id) if item else 0
    position = await repository.position(content_id, number) if number else None
    if position is None or position.state != "refused":
        return ()
    facts = {"word": position.code, "reason": position.reason}
    return (field_error(f"{content_id}.{number}", "refused_at_desk", **facts),)
