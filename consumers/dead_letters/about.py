"""What can be read of a message that is wrong: who sent it, and what it is about."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from contracts import keys
from contracts.base import ID_PATTERN
from contracts.delivery import BatchKey
from contracts.errors import shown

ATTRIBUTE_MAX = 256
SOURCE_MAX = 512
_ID = re.compile(ID_PATTERN.strip("^$"))


class About(BaseModel):
    """Everything here is somebody else's invention, so all of it is bounded and visible."""

    model_config = ConfigDict(frozen=True)

    unit: str = ""
    source: str = ""
    id: str = ""
    event_id: str = ""
    content_id: str = ""

    @property
    def bound(self) -> dict[str, str]:
        """What a log line may hold: ids only, and only those that could be read."""
        said = {"unit": self.unit, "event_id": self.event_id, "content_id": self.content_id}
        return {name: value for name, value in said.items() if value}


def read(subject: str, headers: Mapping[str, str], body: bytes) -> About:
    """Whatever can be made out; what can't is empty. Never raises."""
    kind, _, rest = subject.partition(".")
    said = opened(body)
    if kind in ("content", "case"):
        unit, _, _ = rest.partition(".")
        return of_event(slug(unit), attributes(headers, said), said)
    if kind == "publication":
        _, _, item = rest.rpartition(".")
        return About(unit=slug(inner(said).get("unit")), content_id=slug(item))
    return About(content_id=slug(said.get("content_id")) or of_batch(said.get("batch")))


def of_event(unit: str, given: Mapping[str, Any], said: Mapping[str, Any]) -> About:
    """An event's own name, and the public one made of it, as the doors make it."""
    source, id = text(given.get("source")), text(given.get("id"))
    content_id = inner(said).get("content_id") or said.get("content_id")
    return About(
        unit=unit,
        source=shown(source, SOURCE_MAX),
        id=shown(id, ATTRIBUTE_MAX),
        event_id=keys.event_id(unit, source, id) if unit and source and id else "",
        content_id=slug(content_id),
    )


def opened(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; empty for anything else."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def attributes(headers: Mapping[str, str], said: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event's attributes: in its headers (binary mode) or in its body."""
    lowered = {name.lower(): value for name, value in headers.items()}
    binary = {name: lowered[f"ce-{name}"] for name in ("source", "id") if f"ce-{name}" in lowered}
    return binary or said


def inner(said: Mapping[str, Any]) -> Mapping[str, Any]:
    data = said.get("data")
    return data if isinstance(data, dict) else {}


def of_batch(batch: object) -> str:
    try:
        return slug(BatchKey.parse(text(batch)).content_id)
    except ValueError:
        return ""


def text(value: object) -> str:
    """A text that can be encoded; half of a surrogate pair can't."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def slug(value: object) -> str:
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""
