"""The bus as an AsyncAPI 3.1 document, generated from `subjects` and the event types.

Loa is the application: it receives events from units and sends publications. JetStream has no
AsyncAPI binding, so its settings are under `x-jetstream`; `x-internal` marks Loa's own queues.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from contracts import envelope, subjects
from contracts.delivery import ChannelName, Lane
from contracts.events import BUS_TYPES, CASE_UPDATED, KINDS, kind_of
from contracts.facts.content_status import STATUS_CHANGED
from contracts.publication import RELEASED

_VERSION = "1.0.0"
_SCHEMA_FORMAT = "application/schema+json;version=2020-12"
_PARAMETER_DESCRIPTIONS = {
    "object": "Id of the pieces of a file, or the hash of a file in base64.",
    "unit": "Id of the unit that sends.",
    "topic": "Id of the item's topic.",
    "content_id": "Id of the item.",
    "kind": "What the provider tells.",
    "channel": "Where the reader met the item.",
    "opinion": "satisfied, neutral or dissatisfied.",
    "stage": "Where the message could not be processed.",
    "endpoint": "Id of the endpoint that is called.",
    "key": "Kind of the fact, and what tells it from others of its kind.",
    "batch": "channel.content_id.revision.number of the batch.",
    "wake": "Number of the wake-up.",
}
"""Descriptions of the parameters in addresses."""

Document = dict[str, Any]


@dataclass(frozen=True)
class BusChannel:
    """One address of the bus: its message, and whether Loa sends or receives there."""

    name: str
    address: str
    stream: subjects.StreamSpec
    action: Literal["send", "receive"]
    message: str
    is_internal: bool = True


def bus_channels() -> Iterator[BusChannel]:
    """Every address of the bus."""
    for event_type in KINDS:
        kind = kind_of(event_type)
        address = subjects.content("{unit}", kind)
        if event_type == CASE_UPDATED:
            address = subjects.case("{unit}")
        yield BusChannel(kind, address, subjects.CONTENT, "receive", event_type, is_internal=False)
    released = subjects.publication("{topic}", "{content_id}")
    yield BusChannel(
        "released", released, subjects.PUBLICATIONS, "send", RELEASED, is_internal=False
    )
    told = subjects.status("{unit}", "{content_id}")
    yield BusChannel("status", told, subjects.STATUS, "send", STATUS_CHANGED, is_internal=False)
    yield from _internal_channels()


def _internal_channels() -> Iterator[BusChannel]:
    for channel in ChannelName:
        for lane in Lane:
            address = subjects.deliver(channel, lane)
            name = f"deliver-{channel}-{lane}"
            yield BusChannel(name, address, subjects.DELIVER, "receive", "wake-up")
        receipt = subjects.receipt(channel, "{kind}")
        yield BusChannel(f"receipt-{channel}", receipt, subjects.RECEIPTS, "receive", "receipt")
    yield from _OTHER_CHANNELS


_REACTION = subjects.reaction("{channel}", "{content_id}", "{opinion}")
_CALLBACK = subjects.callback("{unit}", "{endpoint}")
_UPLOAD_PIECE = subjects.ALL_UPLOAD_PIECES.replace("*", "{object}")
_UPLOAD = subjects.ALL_UPLOADS.replace("*", "{object}")
_EDITORIAL = subjects.editorial("{content_id}")
_OTHER_CHANNELS = (
    BusChannel("scheduled", "sched.{batch}.{wake}", subjects.DELIVER, "send", "wake-up"),
    BusChannel("opinion", _REACTION, subjects.OPINIONS, "send", "opinion"),
    BusChannel("dead", subjects.dead("{stage}"), subjects.DEAD, "send", "dead-letter"),
    BusChannel("editorial", _EDITORIAL, subjects.EDITORIAL, "receive", "editorial-act"),
    BusChannel("fact", subjects.fact("{key}"), subjects.FACTS, "send", "fact"),
    BusChannel("callbacks", _CALLBACK, subjects.CALLBACKS_LOG, "send", "callback-attempts"),
    BusChannel("audit", subjects.AUDIT_RECORD, subjects.AUDIT, "send", "audit-record"),
    BusChannel("upload-piece", _UPLOAD_PIECE, subjects.UPLOADS, "send", "upload-piece"),
    BusChannel("upload", _UPLOAD, subjects.UPLOADS, "send", "upload"),
)
"""Addresses between Loa's own services, besides those of each channel."""


def build_document() -> Document:
    """The whole document; equal input gives an equal document."""
    channels = list(bus_channels())
    events = {event_type: _event(event_type) for event_type in (*KINDS, RELEASED, STATUS_CHANGED)}
    json_type = {"contentType": envelope.JSON_TYPE}
    internal = {name: {"name": name, **json_type} for name in _INTERNAL_MESSAGES}
    return {
        "asyncapi": "3.1.0",
        "id": "tag:moha.gov.vn,2026:loa",
        "info": {
            "title": "Loa",
            "version": _VERSION,
            "description": "The notification platform of Vietnam's Ministry of Home Affairs.",
        },
        "defaultContentType": envelope.CONTENT_TYPE,
        "channels": {channel.name: _channel(channel) for channel in channels},
        "operations": {
            f"{channel.action}-{channel.name}": _operation(channel) for channel in channels
        },
        "components": {"messages": events | internal},
    }


def _channel(channel: BusChannel) -> Document:
    parameters = re.findall(r"{(\w+)}", channel.address)
    return {
        "address": channel.address,
        "messages": {channel.message: {"$ref": f"#/components/messages/{channel.message}"}},
        "parameters": {name: {"description": _PARAMETER_DESCRIPTIONS[name]} for name in parameters},
        "x-internal": channel.is_internal,
        "x-jetstream": _jetstream(channel.stream),
    }


def _operation(channel: BusChannel) -> Document:
    return {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.message}"}],
    }


def _jetstream(stream: subjects.StreamSpec) -> Document:
    return {
        "stream": stream.name,
        "subjects": list(stream.subjects),
        "retention": "workqueue" if stream.is_work_queue else "limits",
        "max_bytes": stream.max_bytes,
        "max_message_bytes": stream.max_message_bytes,
        "max_age_s": stream.max_age.total_seconds() if stream.max_age else None,
        "duplicate_window_s": stream.duplicate_window.total_seconds(),
        "consumers": [consumer.durable for consumer in stream.consumers],
    }


_INTERNAL_MESSAGES = (
    "wake-up",
    "receipt",
    "opinion",
    "dead-letter",
    "editorial-act",
    "audit-record",
    "fact",
    "callback-attempts",
    "upload-piece",
    "upload",
)
"""Messages between Loa's own services; their format is internal."""


def _event(event_type: str) -> Document:
    schema = {"$ref": f"./{event_type}.event.json"}
    return {
        "name": event_type,
        "contentType": envelope.CONTENT_TYPE,
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": schema},
        "x-open-at-door": event_type in BUS_TYPES,
    }
