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

_BODY_NAME = "body"
_KEPT_HEADERS = {*(f"ce-{name}" for name in CONTEXT_ATTRIBUTES), "content-type"}
_CODE = events.CASE_UPDATED.encode()


@dataclass(frozen=True, slots=True)
class RedactedMessage:
    """A message without personal data; `left_out` names the removed parts."""

    headers: dict[str, str]
    body: bytes
    left_out: tuple[str, ...] = ()


def redact(subject: str, headers: Mapping[str, str], body: bytes) -> RedactedMessage:
    """Return the message as a letter may hold it: whole, except case events. Never raises."""
    fields = parse_object(body)
    if not _is_case(subject, headers, body, fields):
        return RedactedMessage(dict(headers), body)
    own = {name: value for name, value in headers.items() if _is_standard_header(name)}
    left_out = tuple(name for name in headers if name not in own)
    if not fields:
        return RedactedMessage(own, b"", (*left_out, _BODY_NAME) if body else left_out)
    is_binary = any(name.lower().startswith("ce-") for name in headers)
    kept = _dossier_facts(fields) if is_binary else _redact_structured(fields)
    left_out += tuple(name for name in fields if name not in kept)
    left_out += tuple(f"data.{name}" for name in data_of(fields) if name not in data_of(kept))
    redacted = json.dumps(kept, ensure_ascii=False).encode(errors="replace")
    return RedactedMessage(own, redacted if left_out else body, left_out)


def _is_case(
    subject: str, headers: Mapping[str, str], body: bytes, fields: Mapping[str, Any]
) -> bool:
    """Whether it is a case event, by subject or type; an unreadable one if it contains the type."""
    if subject.startswith("case."):
        return True
    types = {unquote(value) for name, value in headers.items() if name.lower() == "ce-type"}
    is_named = fields.get("type") == events.CASE_UPDATED or events.CASE_UPDATED in types
    return is_named or (not fields and _CODE in body)


def _is_standard_header(name: str) -> bool:
    """Whether a header is CloudEvents' own, or the bus's."""
    return name.lower() in _KEPT_HEADERS or name.startswith("Nats-")


def _redact_structured(fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: fields[name] for name in CONTEXT_ATTRIBUTES if name in fields}
    return {**kept, "data": _dossier_facts(data_of(fields))} if "data" in fields else kept


def _dossier_facts(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of the dossier, without those of the person."""
    return {name: data[name] for name in CaseNotice.model_fields if name in data}


def limit_body(kept: RedactedMessage, limit: int) -> RedactedMessage:
    """Leave out the body of a redacted message if it is too large: its origin is erased."""
    if not kept.left_out or len(kept.body) <= limit:
        return kept
    return RedactedMessage(kept.headers, b"", (*kept.left_out, _BODY_NAME))
