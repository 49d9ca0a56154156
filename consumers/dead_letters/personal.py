"""What a dead letter leaves out of a case event: whatever could say where its person is reached.

A letter stays for ever. Only a case event that came past the HTTP door has such things in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from consumers.dead_letters.about import inner, opened
from contracts import events
from contracts.case import CaseNotice
from contracts.cloudevent import CONTEXT

BODY = "body"
HEADERS = {*(f"ce-{name}" for name in CONTEXT), "content-type"}
_CODE = events.CASE_UPDATED.encode()


@dataclass(frozen=True, slots=True)
class Kept:
    """A message without what is somebody's own; `left_out` names that, and is empty for most."""

    headers: dict[str, str]
    body: bytes
    left_out: tuple[str, ...] = ()


def impersonal(subject: str, headers: Mapping[str, str], body: bytes) -> Kept:
    """The message as a letter may hold it: whole, unless it is a case event. Never raises."""
    said = opened(body)
    if not is_case(subject, headers, body, said):
        return Kept(dict(headers), body)
    own = {name: value for name, value in headers.items() if standard(name)}
    gone = tuple(name for name in headers if not standard(name))
    if not said:
        return Kept(own, b"", (*gone, BODY)) if body else Kept(own, body, gone)
    kept = facts(said) if binary(headers) else structured(said)
    missing = (*gone, *missed(said, kept))
    return Kept(own, written(kept) if missing else body, missing)


def is_case(subject: str, headers: Mapping[str, str], body: bytes, said: Mapping[str, Any]) -> bool:
    """By its subject or its type; what can't be read is one when the type stands in it."""
    if subject.startswith("case."):
        return True
    types = {unquote(value) for name, value in headers.items() if name.lower() == "ce-type"}
    named = said.get("type") == events.CASE_UPDATED or events.CASE_UPDATED in types
    return named or (not said and _CODE in body)


def standard(name: str) -> bool:
    """Whether a header is CloudEvents' own, or the bus's."""
    return name.lower() in HEADERS or name.startswith("Nats-")


def binary(headers: Mapping[str, str]) -> bool:
    """Whether the attributes are in the headers, and the body is the data."""
    return any(name.lower().startswith("ce-") for name in headers)


def structured(said: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: said[name] for name in CONTEXT if name in said}
    return {**kept, "data": facts(inner(said))} if "data" in said else kept


def facts(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the dossier, and nothing else."""
    return {name: data[name] for name in CaseNotice.model_fields if name in data}


def missed(said: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """The names of what is not kept; those of the data as `data.contact`."""
    names = [name for name in said if name not in kept]
    return names + [f"data.{name}" for name in inner(said) if name not in inner(kept)]


def written(kept: Mapping[str, Any]) -> bytes:
    return json.dumps(kept, ensure_ascii=False).encode(errors="replace")


def bounded(kept: Kept, limit: int) -> Kept:
    """Nothing of a case event stays where it lay: what a letter can't hold is left out, too."""
    if not kept.left_out or len(kept.body) <= limit:
        return kept
    return Kept(kept.headers, b"", (*kept.left_out, BODY))
