"""Check a sender's event and put it on CONTENT once.

An id that was already sent with another content is refused."""

from datetime import datetime
from uuid import uuid4

import structlog

from contracts import events, subjects
from contracts.base import tracing
from contracts.case import CaseUpdated
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted
from contracts.envelope import CONTENT_TYPE, decode
from contracts.errors import Bilingual, Conflict, ContractError, Unavailable, field_error
from contracts.events import CheckedEvent
from contracts.keys import content_hash, event_id
from contracts.text.moments import format_moment_in_sentence
from contracts.vocabulary import Vocabulary
from producers.bus import Ack, Bus, Message

log = structlog.get_logger()
RETRY_AFTER_S = 5


def admit(
    event: CloudEvent,
    unit: str,
    vocabulary: Vocabulary,
    accepted_types: frozenset[str] = events.BUS_TYPES,
    *,
    is_new: bool = True,
) -> CheckedEvent:
    """Check *event* of the authenticated *unit* against the *accepted_types* of the entry point.

    *is_new* as in `events.check`. Raises Invalid with every wrong field, Forbidden if the source
    names another unit.
    """
    content = events.check(event, vocabulary, accepted_types=accepted_types, is_new=is_new)
    if is_new:
        events.check_filled(content)
    events.check_sender(event, unit, vocabulary)
    events.check_source_spelling(event.source)
    if isinstance(content, CaseUpdated):
        data = {name: value for name, value in event.data.items() if name != "contact"}
        event = event.model_copy(update={"data": data | content.masked_names})
    return CheckedEvent(unit, event, content)


def expiry_times(content: events.Event, now: datetime) -> dict[str, Bilingual]:
    """When an expired item expired, and the present time, for texts; empty for any other."""
    ends = content.expires_at if isinstance(content, Submitted) else None
    if ends is None or ends > now:
        return {}
    return {"value": _moment(ends), "now": _moment(now.replace(microsecond=0))}


def _moment(at: datetime) -> Bilingual:
    """A time as events have it, and as Vietnamese sentences do."""
    return Bilingual(at.isoformat(), format_moment_in_sentence(at))


def unavailable_error() -> Unavailable:
    """The error of a write with unknown result: send the same event again."""
    error = field_error("event", "unavailable", retry_after_s=RETRY_AFTER_S)
    return Unavailable(error, retry_after_s=RETRY_AFTER_S)


async def send_event(
    bus: Bus, event: CheckedEvent, *, patience_s: float, msg_id: str | None = None
) -> Ack:
    """Store *event*; `duplicate` in the answer means that it was stored before.

    Another writer may have used its message id, which the stream then takes for a duplicate. So
    the stored message is compared: if it is not this event, the event gets another message id.
    Raises Conflict if its unit used the event's id lately with another content, BusError like
    `Bus.publish`.
    """
    own_id = f"{event.event_id}.{event.content_hash}"
    for message_id in dict.fromkeys((msg_id or event.event_id, own_id)):
        ack = await _publish(bus, event, message_id, patience_s)
        if not ack.duplicate:
            return ack
        if ack.stream != subjects.CONTENT.name:  # its unit's alone, which can't read it
            await _publish(bus, event, own_id, patience_s)
            return ack
        stored = await bus.get_message(subjects.CONTENT.name, ack.seq)
        if stored is not None and _has_same_id(stored, event):
            _require_same_content(stored, event)
            return ack
        log.warning("message_id_taken", event_id=event.event_id, seq=ack.seq)
    return await _publish(bus, event, f"{event.event_id}.{uuid4().hex}", patience_s)


async def _publish(bus: Bus, event: CheckedEvent, message_id: str, patience_s: float) -> Ack:
    return await bus.publish(
        event.subject,
        event.body,
        msg_id=message_id,
        headers={"Content-Type": CONTENT_TYPE} | tracing.carrier(),
        patience_s=patience_s,
    )


def _has_same_id(stored: Message, admitted: CheckedEvent) -> bool:
    """Whether *stored* is an event of the same unit with the same id."""
    event = _decode(stored)
    if event is None or stored.subject.split(".")[1] != admitted.unit:
        return False
    return event_id(admitted.unit, event.source, event.id) == admitted.event_id


def _require_same_content(stored: Message, admitted: CheckedEvent) -> None:
    """Raise Conflict if *stored* has another content or kind."""
    event = _decode(stored)
    same = event is not None and content_hash(event.type, event.data) == admitted.content_hash
    if not same or stored.subject != admitted.subject:
        raise Conflict(field_error("id", "same_id_other_content"))


def _decode(stored: Message) -> CloudEvent | None:
    try:
        return decode(None, stored.headers, stored.data)
    except ContractError:
        return None
