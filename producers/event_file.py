"""Read an event from a file: a CloudEvent, or bare data of a unit."""

from typing import Any

from contracts import keys
from contracts.base import strict_json
from contracts.cloudevent import CloudEvent
from contracts.envelope import from_structured
from contracts.errors import WHOLE_EVENT, Invalid, Unreadable, field_error
from contracts.events import CORRECTED, SUBMITTED, UNIT_SOURCE_PREFIX, WITHDRAWN
from producers.texts import get_text

_ENVELOPE_FIELDS = frozenset({"specversion", "source", "type", "data"})
"""Fields that mark a file as a CloudEvent; no event's data has one of them."""


def read_event(body: bytes, unit: str | None) -> CloudEvent:
    """The event in *body*; bare data becomes an event of *unit*.

    Raises ContractError for other content, and for bare data without a unit.
    """
    value = strict_json.loads(body)
    if not isinstance(value, dict):
        raise Unreadable(field_error(WHOLE_EVENT, "not_object"))
    if _ENVELOPE_FIELDS & set(value):
        return from_structured(body)
    if unit is None:
        raise _no_unit_error()
    return from_structured(wrap_data(value, unit))


def find_sender(event: CloudEvent, unit: str | None) -> str:
    """The sender of *event*: *unit*, or the one its source names. Raises Invalid for neither."""
    if unit is None and event.source.startswith(UNIT_SOURCE_PREFIX):
        unit = event.source.removeprefix(UNIT_SOURCE_PREFIX)
    if not unit:
        raise _no_unit_error()
    return unit


def wrap_data(data: dict[str, Any], unit: str) -> dict[str, Any]:
    """*data* as an event with a derived id, so that the same file twice is the same event."""
    event_type = _type(data)
    return {
        "specversion": "1.0",
        "id": _id(event_type, data),
        "source": f"{UNIT_SOURCE_PREFIX}{unit}",
        "type": event_type,
        "datacontenttype": "application/json",
        "data": data,
    }


def _type(data: dict[str, Any]) -> str:
    if "corrects_revision" in data:
        return CORRECTED
    return WITHDRAWN if "reason" in data and "title" not in data else SUBMITTED


def _id(event_type: str, data: dict[str, Any]) -> str:
    """`<content_id>.<revision>`; for a withdrawal, which has no revision, a hash of the content."""
    if event_type == WITHDRAWN:
        last: object = f"withdrawn-{keys.content_hash(event_type, data)[:12]}"
    else:
        last = data.get("revision")
    event_id = f"{data.get('content_id')}.{last}"
    is_valid = event_id.isascii() and event_id.isprintable() and len(event_id) < 120
    return event_id if is_valid else "unnamed"


def _no_unit_error() -> Invalid:
    return Invalid(get_text("cli", "no_unit").as_field_error("unit"))
