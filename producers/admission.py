"""Check a sender's event and put it on CONTENT once.

An id that was already sent with another content is refused."""

from datetime import datetime

from contracts import events, subjects
from contracts.case import CaseUpdated
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted
from contracts.envelope import CONTENT_TYPE, decode
from contracts.errors import Conflict, ContractError, Unavailable, field_error
from contracts.events import CheckedEvent
from contracts.keys import content_hash
from contracts.vocabulary import Vocabulary
from producers.bus import Ack, Bus, Message

RETRY_AFTER_S = 5


def admit(
    event: CloudEvent,
    unit: str,
    vocabulary: Vocabulary,
    accepted_types: frozenset[str] = events.BUS_TYPES,
) -> CheckedEvent:
    """Check *event* of the authenticated *unit* against the *accepted_types* of the entry point.

    Raises Invalid with every wrong field, Forbidden if the source names another unit.
    """
    content = events.check(event, vocabulary, accepted_types=accepted_types)
    events.check_sender(event, unit, vocabulary)
    events.check_source_spelling(event.source)
    if isinstance(content, CaseUpdated):
        data = {name: value for name, value in event.data.items() if name != "contact"}
        event = event.model_copy(update={"data": data | content.masked_names})
    return CheckedEvent(unit, event, content)


def expiry_times(content: events.Event, now: datetime) -> dict[str, str]:
    """When an expired item expired, and the present time, for texts; empty for any other."""
    ends = content.expires_at if isinstance(content, Submitted) else None
    if ends is None or ends > now:
        return {}
    return {"value": ends.isoformat(), "now": now.isoformat(timespec="seconds")}


def unavailable_error() -> Unavailable:
    """The error of a write with unknown result: send the same event again."""
    error = field_error("event", "unavailable", retry_after_s=RETRY_AFTER_S)
    return Unavailable(error, retry_after_s=RETRY_AFTER_S)


async def send_event(
    bus: Bus, event: CheckedEvent, *, patience_s: float, msg_id: str | None = None
) -> Ack:
    """Store *event*; `duplicate` in the answer means that it was stored before.

    Raises Conflict if the id was sent lately with another content, BusError like `Bus.publish`.
    """
    ack = await bus.publish(
        event.subject,
        event.body,
        msg_id=msg_id or event.event_id,
        headers={"Content-Type": CONTENT_TYPE},
        patience_s=patience_s,
    )
    if ack.duplicate and not _is_same_event(
        await bus.get_message(subjects.CONTENT.name, ack.seq), event
    ):
        raise Conflict(field_error("id", "same_id_other_content"))
    return ack


def _is_same_event(stored: Message | None, admitted: CheckedEvent) -> bool:
    """Whether *stored* is the same event; a deleted message, not comparable, counts as same."""
    if stored is None:
        return True
    try:
        event = decode(None, stored.headers, stored.data)
    except ContractError:
        return False
    same = content_hash(event.type, event.data) == admitted.content_hash
    return same and stored.subject == admitted.subject
