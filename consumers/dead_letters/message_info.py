"""Read the sender and the subject of a message that can't be processed."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from contracts import keys
from contracts.base.fields import ID_PATTERN
from contracts.delivery import BatchKey
from contracts.errors import printable

ATTRIBUTE_MAX = 256
_SOURCE_MAX = 512
_ID = re.compile(ID_PATTERN.strip("^$"))


class MessageInfo(BaseModel):
    """Facts chosen by the sender, so each is bounded and printable."""

    model_config = ConfigDict(frozen=True)

    unit: str = ""
    source: str = ""
    id: str = ""
    event_id: str = ""
    content_id: str = ""

    @property
    def log_facts(self) -> dict[str, str]:
        """The ids that a log line may hold, without unreadable ones."""
        ids = {"unit": self.unit, "event_id": self.event_id, "content_id": self.content_id}
        return {name: value for name, value in ids.items() if value}


def read_message_info(subject: str, headers: Mapping[str, str], body: bytes) -> MessageInfo:
    """Read the facts of a message; unreadable ones are empty. Never raises."""
    kind, _, rest = subject.partition(".")
    fields = parse_object(body)
    if kind in ("content", "case"):
        unit, _, _ = rest.partition(".")
        return _event_info(_valid_id(unit), _event_attributes(headers, fields), fields)
    if kind == "publication":
        _, _, item = rest.rpartition(".")
        return MessageInfo(unit=_valid_id(data_of(fields).get("unit")), content_id=_valid_id(item))
    return MessageInfo(
        content_id=_valid_id(fields.get("content_id")) or _content_id_of_batch(fields.get("batch"))
    )


def _event_info(unit: str, attributes: Mapping[str, Any], body: Mapping[str, Any]) -> MessageInfo:
    """Read an event's own id, and make the public one as the gateway does."""
    source, id = _encodable_text(attributes.get("source")), _encodable_text(attributes.get("id"))
    content_id = data_of(body).get("content_id") or body.get("content_id")
    return MessageInfo(
        unit=unit,
        source=printable(source, _SOURCE_MAX),
        id=printable(id, ATTRIBUTE_MAX),
        event_id=keys.event_id(unit, source, id) if unit and source and id else "",
        content_id=_valid_id(content_id),
    )


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a body as a JSON object; empty for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _event_attributes(headers: Mapping[str, str], body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an event's attributes: from its headers (binary mode) or its body."""
    lowered = {name.lower(): value for name, value in headers.items()}
    binary = {name: lowered[f"ce-{name}"] for name in ("source", "id") if f"ce-{name}" in lowered}
    return binary or body


def data_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    data = body.get("data")
    return data if isinstance(data, dict) else {}


def _content_id_of_batch(batch: object) -> str:
    try:
        return _valid_id(BatchKey.parse(_encodable_text(batch)).content_id)
    except ValueError:
        return ""


def _encodable_text(value: object) -> str:
    """Return a text that can be encoded: half of a surrogate pair is replaced."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _valid_id(value: object) -> str:
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""
