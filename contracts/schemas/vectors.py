"""Golden vectors: inputs of every key and rule of the contract, each with its answer.

`build_document()` makes `vectors.json`; `find_differences(document)` names the entries whose
answers are not those of this code. The inputs only grow, and an answer never changes.
"""

import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from contracts import envelope, events, keys, subjects
from contracts import text as texts
from contracts.base import strict_json
from contracts.base.fields import Day, Id, Instant, Revision
from contracts.case import CaseCode
from contracts.cloudevent import CloudEvent, build_event
from contracts.errors import ContractError
from contracts.schemas import vector_inputs as given
from contracts.vocabulary import DEFAULT

Vector = dict[str, Any]
Document = dict[str, Any]

_ABOUT = (
    "Golden vectors of contracts/keys.py, for implementations in any language. digest = lower-case "
    "base32 without padding of the SHA-256 over the UTF-8 parts joined by one NUL byte. canonical ="
    ' every text and key in NFC, keys in code point order, no spaces, only " \\ and control '
    "characters escaped (\\b \\f \\n \\r \\t, else \\u00xx in lower case). These values never "
    "change. `descriptions` says what each group holds; `refused` stands for the answer of an "
    "input that the contract refuses."
)
_ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/units/a", "type": "t"}
_INSTANT, _REVISION, _ID, _DAY, _CASE_CODE = (
    TypeAdapter[Any](kind) for kind in (Instant, Revision, Id, Day, CaseCode)
)
_NEW = {"is_new": True}
_REFUSALS = (ContractError, ValidationError, PydanticCustomError)


@dataclass(frozen=True, slots=True)
class Group:
    """Vectors of one rule: names of the inputs, and the function that answers to them."""

    description: str
    names: tuple[str, ...]
    answer: Callable[..., Vector]
    inputs: Sequence[tuple[Any, ...]]

    def vectors(self) -> Iterator[Vector]:
        for values in self.inputs:
            yield self.complete(dict(zip(self.names, values, strict=True)))

    def complete(self, vector: Vector) -> Vector:
        """*vector* with the answer to its inputs."""
        inputs = {name: vector[name] for name in self.names}
        try:
            return inputs | self.answer(**inputs)
        except _REFUSALS as refusal:
            return inputs | {"refused": _code_of(refusal)}


def build_document() -> Document:
    """The whole document; equal code gives an equal document."""
    described = {name: group.description for name, group in GROUPS.items()}
    vectors = {name: list(group.vectors()) for name, group in GROUPS.items()}
    return {"about": _ABOUT, "descriptions": described, **vectors}


def build_text() -> str:
    """Contents of `vectors.json`."""
    return json.dumps(build_document(), indent=1) + "\n"


def find_differences(document: Document) -> list[str]:
    """Entries of *document* that lack an answer of this code or have another: `time[3]: utc`.

    A group that is missing is named, too; a group that this code does not know is not judged.
    """
    lines = [f"{name}: is missing" for name in GROUPS if name not in document]
    for name, group in GROUPS.items():
        for number, vector in enumerate(document.get(name, ())):
            lines += [f"{name}[{number}]: {word}" for word in _wrong_words(group, vector)]
    return lines


def _wrong_words(group: Group, vector: Vector) -> list[str]:
    if absent := [name for name in group.names if name not in vector]:
        return absent
    right = group.complete(vector)
    words = sorted(right.keys() | vector.keys())
    return [
        word
        for word in words
        if (word in vector, vector.get(word)) != (word in right, right.get(word))
    ]


def _code_of(refusal: Exception) -> str | int:
    """Code of a text's refusal, status of an event's; other refusals are told by no more."""
    if isinstance(refusal, PydanticCustomError):
        return refusal.type
    return refusal.status if isinstance(refusal, ContractError) else "invalid"


def _digest(parts: list[str]) -> Vector:
    return {"digest": keys.digest(*parts)}


def _event_id(unit: str, source: str, id: str) -> Vector:
    return {"event_id": keys.event_id(unit, source, id)}


def _content_hash(type: str, data: dict[str, Any]) -> Vector:
    canonical = keys.canonical([type, data])
    return {"canonical": canonical, "content_hash": keys.content_hash(type, data)}


def _publication_key(content_id: str, revision: int) -> Vector:
    return {"publication_key": keys.publication_key(content_id, revision)}


def _delivery(
    content_id: str, revision: int, channel: str, recipient_id: str, domain: str
) -> Vector:
    key = keys.delivery_key(content_id, revision, channel, recipient_id)
    return {
        "delivery_key": key,
        "message_id": keys.message_id(key, domain),
        "tracking_id": keys.tracking_id(key),
    }


def _case_content_id(case_code: str) -> Vector:
    return {"content_id": keys.case_content_id(case_code)}


def _nfc(text: str) -> Vector:
    return {"nfc": unicodedata.normalize("NFC", text)}


def _key_order(keys: list[str]) -> Vector:
    return {"sorted": sorted(keys)}


def _line(text: str) -> Vector:
    return {"kept": texts.line(text)}


def _revision(json: str) -> Vector:
    return {"revision": _REVISION.validate_python(strict_json.loads(json.encode()))}


def _time(text: str) -> Vector:
    moment: datetime = _INSTANT.validate_python(text)
    event = CloudEvent(**_ATTRIBUTES, time=moment, data={})
    return {"utc": json.loads(envelope.to_structured(event))["time"]}


def _id(id: str) -> Vector:
    return {"taken": _ID.validate_python(id) == id}


def _day(text: str) -> Vector:
    return {"taken": _DAY.validate_python(text, context=_NEW).isoformat() == text}


def _case_code(case_code: str) -> Vector:
    return {"taken": _CASE_CODE.validate_python(case_code, context=_NEW) == case_code}


def _source(unit: str, source: str) -> Vector:
    event = build_event(_ATTRIBUTES | {"source": source}, {"data": {}})
    events.check_sender(event, unit, DEFAULT)
    events.check_source_spelling(source)
    return {"taken": True}


def _subject(type: str, unit: str) -> Vector:
    if type == events.CASE_UPDATED:
        return {"subject": subjects.case(unit)}
    return {"subject": subjects.content(unit, events.kind_of(type))}


def _publication_subject(topic: str, content_id: str) -> Vector:
    return {"subject": subjects.publication(topic, content_id)}


def _bus_message_id(source: str, id: str) -> Vector:
    return {"msg_id": f"{source}|{id}"}


def _header(value: str) -> Vector:
    event = build_event(_ATTRIBUTES | {events.SUBMITTER: value}, {"data": {}})
    headers, _ = envelope.to_binary(event)
    return {"header": headers[f"ce-{events.SUBMITTER}"]}


def _header_read(header: str) -> Vector:
    named = {f"ce-{name}": value for name, value in _ATTRIBUTES.items()}
    event = envelope.from_binary(named | {f"ce-{events.SUBMITTER}": header}, b"{}")
    return {"value": event.extensions[events.SUBMITTER]}


GROUPS = {
    "digest": Group("digest of some parts", ("parts",), _digest, given.DIGEST),
    "event_id": Group(
        "public name of an event: 26 characters of digest(unit, source, id)",
        ("unit", "source", "id"),
        _event_id,
        given.EVENT_ID,
    ),
    "content_hash": Group(
        "canonical JSON of [type, data], and its digest",
        ("type", "data"),
        _content_hash,
        given.CONTENT_HASH,
    ),
    "publication_key": Group(
        "name of a released revision",
        ("content_id", "revision"),
        _publication_key,
        given.PUBLICATION_KEY,
    ),
    "delivery": Group(
        "digest(1, content_id, revision, channel, recipient_id), the Message-ID of its first 32 "
        "characters, Zalo's tracking id of 48",
        ("content_id", "revision", "channel", "recipient_id", "domain"),
        _delivery,
        given.DELIVERY,
    ),
    "case_content_id": Group(
        "`case-` and 20 characters of digest(case_code)",
        ("case_code",),
        _case_content_id,
        given.CASE_CODES,
    ),
    "normalisation": Group("a text in Unicode NFC", ("text",), _nfc, given.TEXTS),
    "key_order": Group(
        "keys of an object in code point order, also above U+FFFF",
        ("keys",),
        _key_order,
        given.KEYS,
    ),
    "line": Group(
        "a text of one line as Loa keeps it, or the code of its refusal",
        ("text",),
        _line,
        given.LINES,
    ),
    "revision": Group(
        "JSON of a revision: whole, written without fraction and exponent, 1 to 2^31-1",
        ("json",),
        _revision,
        given.REVISIONS,
    ),
    "time": Group(
        "a time as an event may write it, and the same as Loa stores it",
        ("text",),
        _time,
        given.TIMES,
    ),
    "id": Group("an id: content_id, unit, topic, audience", ("id",), _id, given.IDS),
    "source": Group(
        "source of an event of a unit; refused with this status",
        ("unit", "source"),
        _source,
        given.SOURCES,
    ),
    "subject": Group(
        "subject of the bus for an event; case events go over HTTP alone",
        ("type", "unit"),
        _subject,
        given.SUBJECTS,
    ),
    "publication_subject": Group(
        "subject on which a released revision can be followed",
        ("topic", "content_id"),
        _publication_subject,
        given.PUBLICATION_SUBJECTS,
    ),
    "msg_id": Group(
        "Nats-Msg-Id that makes a repeat on the bus harmless",
        ("source", "id"),
        _bus_message_id,
        given.MESSAGE_IDS,
    ),
    "header": Group(
        "value of an attribute, and the same percent-encoded in a ce-* header",
        ("value",),
        _header,
        given.HEADER_VALUES,
    ),
    "header_read": Group(
        "ce-* header, and the value that Loa reads; refused with this status",
        ("header",),
        _header_read,
        given.HEADERS,
    ),
    "day": Group("a day as an event may write it", ("text",), _day, given.DAYS),
    "case_code": Group(
        "code of a dossier: its digits are 0 to 9 alone",
        ("case_code",),
        _case_code,
        given.WRITTEN_CASE_CODES,
    ),
}
"""Every group of the document."""
