"""Redact case events before they are stored as dead letters, which are kept for ever."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from consumers.dead_letters.message_info import data_of, parse_object
from contracts import events
from contracts.case import CaseNotice
from contracts.cloudevent import CONTEXT_ATTRIBUTES

BODY_NAME = "body"
KEPT_HEADERS = {*(f"ce-{name}" for name in CONTEXT_ATTRIBUTES), "content-type"}
_CODE = events.CASE_UPDATED.encode()


@dataclass(frozen=True, slots=True)
class RedactedMessage:
    """A message without personal data; `left_out` names the removed parts."""

    headers: dict[str, str]
    body: bytes
    left_out: tuple[str, ...] = ()


def redact(subject: str, headers: Mapping[str, str], body: bytes) -> RedactedMessage:
    """The message as a letter may hold it: whole, unless it is a case event. Never raises."""
    said = parse_object(body)
    if not is_case(subject, headers, body, said):
        return RedactedMessage(dict(headers), body)
    own = {name: value for name, value in headers.items() if is_standard_header(name)}
    gone = tuple(name for name in headers if not is_standard_header(name))
    if not said:
        return (
            RedactedMessage(own, b"", (*gone, BODY_NAME))
            if body
            else RedactedMessage(own, body, gone)
        )
    kept = dossier_facts(said) if is_binary_mode(headers) else redact_structured(said)
    missing = (*gone, *left_out_names(said, kept))
    return RedactedMessage(own, to_json_bytes(kept) if missing else body, missing)


def is_case(subject: str, headers: Mapping[str, str], body: bytes, said: Mapping[str, Any]) -> bool:
    """Whether it is a case event, by subject or type; an unreadable one if it contains the type."""
    if subject.startswith("case."):
        return True
    types = {unquote(value) for name, value in headers.items() if name.lower() == "ce-type"}
    named = said.get("type") == events.CASE_UPDATED or events.CASE_UPDATED in types
    return named or (not said and _CODE in body)


def is_standard_header(name: str) -> bool:
    """Whether a header is CloudEvents' own, or the bus's."""
    return name.lower() in KEPT_HEADERS or name.startswith("Nats-")


def is_binary_mode(headers: Mapping[str, str]) -> bool:
    """Whether the attributes are in the headers, and the body is the data."""
    return any(name.lower().startswith("ce-") for name in headers)


def redact_structured(said: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: said[name] for name in CONTEXT_ATTRIBUTES if name in said}
    return {**kept, "data": dossier_facts(data_of(said))} if "data" in said else kept


def dossier_facts(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the dossier, and nothing else."""
    return {name: data[name] for name in CaseNotice.model_fields if name in data}


def left_out_names(said: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """The names of what is not kept; those of the data as `data.contact`."""
    names = [name for name in said if name not in kept]
    return names + [f"data.{name}" for name in data_of(said) if name not in data_of(kept)]


def to_json_bytes(kept: Mapping[str, Any]) -> bytes:
    return json.dumps(kept, ensure_ascii=False).encode(errors="replace")


def limit_body(kept: RedactedMessage, limit: int) -> RedactedMessage:
    """Nothing of a case event stays where it lay: what a letter can't hold is left out, too."""
    if not kept.left_out or len(kept.body) <= limit:
        return kept
    return RedactedMessage(kept.headers, b"", (*kept.left_out, BODY_NAME))
