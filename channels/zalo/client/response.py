"""Zalo's JSON envelope, read tolerantly: `{"data": ..., "error": 0, "message": "Success"}`.

Errors come with HTTP 200; `error` may be a quoted string; a gateway may answer with HTML, an empty
or a truncated body. An unreadable body proves no outcome: it raises AmbiguousResult.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any

from channels.zalo.client.transport import HttpResponse
from channels.zalo.errors import AmbiguousResult

RATE_LIMITED = -32
_NOT_FOUND = -404


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """Zalo's answer: code (0 is success), message, data."""

    error: int
    message: str
    data: Any = None

    @property
    def fields(self) -> Mapping[str, Any]:
        """`data` as an object; empty when it is anything else."""
        return self.data if isinstance(self.data, Mapping) else {}

    def text(self, *names: str) -> str:
        """The first non-empty of *names* in `data`, as text; ids may come as numbers."""
        return first_text(self.data, *names)


def parse_response(reply: HttpResponse) -> ApiResponse:
    """Raises AmbiguousResult for a body that is not Zalo's envelope."""
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AmbiguousResult(f"http {reply.status}")
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return ApiResponse(RATE_LIMITED, "http 429")
    body = json_object(reply.body)
    error = None if body is None else whole_number(body.get("error"))
    if reply.status == HTTPStatus.NOT_FOUND and not error:
        return ApiResponse(_NOT_FOUND, "http 404")
    if body is None or error is None or not (error or 200 <= reply.status < 300):
        raise AmbiguousResult(f"http {reply.status} without an answer in it")
    return ApiResponse(error, str(body.get("message") or ""), body.get("data"))


def json_object(body: bytes) -> dict[str, Any] | None:
    """The body as a JSON object; None when it is anything else."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def known_fields(kind: type[Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a dataclass' fields in what any version stored; unknown ones are left out."""
    return {field.name: stored[field.name] for field in fields(kind) if field.name in stored}


def whole_number(value: object) -> int | None:
    """A whole number, also when it comes as text; None for anything else."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def first_text(data: object, *names: str) -> str:
    """The first of *names* that holds a text or a number, as text; a lone surrogate becomes `?`."""
    if not isinstance(data, Mapping):
        return ""
    found = (data.get(name) for name in names)
    usable = (each for each in found if isinstance(each, str | int) and not isinstance(each, bool))
    return next((str(each).encode(errors="replace").decode() for each in usable if each != ""), "")
