"""Correction of a dead letter's event: its fields, the corrected event, and what differs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import unified_diff
from typing import Any

from consumers.dead_letters.decisions import OutgoingMessage
from consumers.dead_letters.letter import DeadLetter
from consumers.dead_letters.message_info import data_of, parse_object
from contracts.cloudevent import CONTEXT_ATTRIBUTES
from contracts.desk.dead_letters import EventField, FieldKind
from contracts.events import KINDS

_WHOLE_FIELD = "event"
"""The form's field for a message that is no JSON object: all of it, as text."""
_DATA = "data."
_LONG = frozenset({"body", "summary", "reason"})
_LISTS = frozenset({"audiences", "channels"})
_NUMBERS = frozenset({"revision", "corrects_revision"})
_OBJECTS = frozenset({"cover", "links", "attachments", "broadcast", "interruption"})
_LONG_LINE = 200


def event_of(letter: DeadLetter) -> dict[str, Any]:
    """The letter's event as an object, also of binary mode; empty for anything else."""
    body = parse_object(letter.original)
    lowered = {name.lower(): value for name, value in letter.origin.headers.items()}
    attributes = {name[3:]: value for name, value in lowered.items() if name.startswith("ce-")}
    return {**attributes, "data": body} if attributes and body else body


def event_fields(event: Mapping[str, Any]) -> list[EventField]:
    """The fields of *event* for a form: first the text, then the attributes.

    A field that its type has and the event lacks is there, too, without a value.
    """
    if not event:
        return []
    data, model = data_of(event), KINDS.get(str(event.get("type")))
    names = dict.fromkeys([*(model.model_fields if model else ()), *data])
    fields = [_field(f"{_DATA}{name}", name, data.get(name)) for name in names]
    own = dict.fromkeys([*CONTEXT_ATTRIBUTES, *(one for one in event if one != "data")])
    return fields + [_field(name, name, event.get(name)) for name in own]


def _field(path: str, name: str, value: object) -> EventField:
    kind = _kind(name, value)
    if value is None:
        return EventField(path, kind, "")
    if kind == "list" and isinstance(value, list):
        return EventField(path, kind, ", ".join(map(str, value)))
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return EventField(path, kind, written)


def _kind(name: str, value: object) -> FieldKind:
    """How a form shows a field: as its value is, else as its name usually is."""
    if name in _LISTS and (value is None or _is_list_of_words(value)):
        return "list"
    if name in _NUMBERS and not isinstance(value, str):
        return "number"
    if isinstance(value, str) and name not in _OBJECTS:
        is_long = name in _LONG or len(value) > _LONG_LINE or "\n" in value
        return "text" if is_long else "line"
    if value is None and name not in _OBJECTS:
        return "text" if name in _LONG else "line"
    return "json"


def _is_list_of_words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def corrected_body(letter: DeadLetter, fields: Mapping[str, str]) -> bytes:
    """The event with the values of a form; an emptied field is left out of it."""
    event = event_of(letter)
    if not event:
        return fields.get(_WHOLE_FIELD, "").encode()
    data = dict(data_of(event))
    own = {name: value for name, value in event.items() if name != "data"}
    for field in event_fields(event):
        given = fields.get(field.name)
        if given is None or _same_text(given, field.value):
            continue
        place, name = (data, field.name[len(_DATA) :]) if _is_data(field) else (own, field.name)
        place.pop(name, None)
        if given.strip():
            place[name] = _value(field.kind, given)
    return json.dumps({**own, "data": data}, ensure_ascii=False).encode(errors="replace")


def _is_data(field: EventField) -> bool:
    return field.name.startswith(_DATA)


def _same_text(given: str, shown: str) -> bool:
    """Whether a field is unchanged: browsers send line ends of their own."""
    return given.replace("\r\n", "\n") == shown.replace("\r\n", "\n")


def _value(kind: FieldKind, given: str) -> object:
    """A value as events hold it; what can't be one stays text, which its check refuses by name."""
    written = given.replace("\r\n", "\n").strip()
    if kind == "list":
        return [one.strip() for one in written.replace("\n", ",").split(",") if one.strip()]
    if kind in ("number", "json"):
        with suppress(ValueError, RecursionError):
            return json.loads(written)
    return written


def difference(letter: DeadLetter, corrected: OutgoingMessage) -> Iterator[str]:
    """A unified diff of the original and the corrected body."""
    old, new = (_body_lines(body) for body in (letter.original, corrected.body))
    return unified_diff(old, new, f"dead letter {letter.id}", "mended", lineterm="", n=1)


def _body_lines(body: bytes) -> list[str]:
    """The lines of a body; of JSON, one for each value."""
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(body), ensure_ascii=False, indent=1, sort_keys=True)
        body = text.encode(errors="replace")
    return visible_text(body).splitlines()


def visible_text(body: bytes) -> str:
    """A body as text, its control characters as code points, but for line ends and tabs."""
    text = body.decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else f"U+{ord(c):04X}" for c in text)
