"""Tries of a real Loa with a unit's key: what it refuses, and with leave also what it takes.

Without `publish` nothing is stored: every event sent is a broken one. With it one item is sent that
no reader gets: it is for the portal alone, is due in a year, and is withdrawn at the end.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.request import ProxyHandler, Request

from contracts import keys
from contracts.cloudevent import CloudEvent
from contracts.envelope import CONTENT_TYPE, to_binary
from contracts.errors import FieldError
from contracts.events import WITHDRAWN
from contracts.testing import sample
from producers.conformance.one_host import opener_of_one_host
from producers.conformance.recordings import EVENTS_PATH
from producers.texts import get_text

_TIMEOUT_S = 30.0
_AHEAD = timedelta(days=365)
_SHOWN = timedelta(minutes=1)
_LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


class Reply(NamedTuple):
    """An answer of the door."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LiveDoor:
    """A Loa at *url*, asked with the key of *unit*. Calls raise OSError without an answer."""

    url: str
    key: str
    unit: str

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        return self._ask(Request(f"{self.url}{EVENTS_PATH}", body, dict(headers)))  # noqa: S310

    def send(self, event: Mapping[str, Any]) -> Reply:
        return self.post(json.dumps(event).encode(), {"Content-Type": CONTENT_TYPE})

    def get(self, path: str) -> Reply:
        return self._ask(Request(f"{self.url}{path}"))  # noqa: S310

    def _ask(self, request: Request) -> Reply:
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        no_proxy = [ProxyHandler({})] if self.url.startswith(_LOOPBACK) else []
        try:
            with opener_of_one_host(*no_proxy).open(request, timeout=_TIMEOUT_S) as answer:
                return Reply(answer.status, _read(answer.read()))
        except HTTPException as broken:
            raise OSError(str(broken)) from broken


def _read(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def unit_of_key(key: str) -> str:
    """The unit that a key names: `loa_<unit>_<secret>`."""
    return [*key.split("_"), ""][1]


def try_door(door: LiveDoor, publish: bool) -> Iterator[FieldError]:
    """Yield a difference for each answer that is not the one expected. Raises OSError."""
    if door.send(_broken(door)).status == 401:
        yield get_text("conformance", "key_refused").as_field_error("--key")
        return
    yield from _refusals(door)
    if publish:
        yield from _publications(door)


def _broken(door: LiveDoor) -> dict[str, Any]:
    """An event without a title: every Loa refuses it, and stores nothing."""
    event = _event(door, "broken")
    del event["data"]["title"]
    return event


def _event(door: LiveDoor, content_id: str, kind: str = "submitted") -> dict[str, Any]:
    event = sample(kind)
    data = event["data"] | {"content_id": content_id}
    names = {"source": f"/units/{door.unit}", "id": f"{content_id}.{kind}"}
    return {"specversion": "1.0", "type": event["type"], **names, "data": data}


def _refusals(door: LiveDoor) -> Iterator[FieldError]:
    yield from _expect("422", door.send(_broken(door)), 422, "data.title")
    nobody = LiveDoor(door.url, "", door.unit)
    yield from _expect("401", nobody.send(_broken(door)), 401, "Authorization")
    structured = {"Content-Type": CONTENT_TYPE}
    yield from _expect("400", door.post(b"{", structured), 400)
    yield from _expect("415", door.post(b"a", {"Content-Type": "text/plain"}), 415, "Content-Type")
    unknown = f"{EVENTS_PATH}/{'a' * 26}"
    yield from _expect("404", door.get(unknown), 404, "event_id")
    misspelt = _broken(door) | {"source": f"//units/{door.unit}"}
    yield from _expect("422", door.send(misspelt), 422)


def _publications(door: LiveDoor) -> Iterator[FieldError]:
    """Send one item, try it, and withdraw it if Loa may have stored it."""
    event = _event(door, f"conformance-{secrets.token_hex(6)}")
    due = datetime.now(UTC) + _AHEAD
    times = {"not_before": due, "expires_at": due + _SHOWN}
    shown = {name: at.strftime("%Y-%m-%dT%H:%M:%SZ") for name, at in times.items()}
    event["data"] |= {"channels": ["portal"], **shown}
    status = 0
    try:
        first = door.send(event)
        status = first.status
        yield from _tries(door, event, first)
    finally:
        may_be_stored = status in (0, 202) or status >= 500
        ended = door.send(_end(event)) if may_be_stored else None
    if ended:
        yield from _expect("202", ended, 202)


def _end(event: Mapping[str, Any]) -> dict[str, Any]:
    """The withdrawal of the item of *event*."""
    item = event["data"]["content_id"]
    data = {"content_id": item, "reason": "Kết thúc kiểm tra."}
    return {**event, "type": WITHDRAWN, "id": f"{item}.withdrawn", "data": data}


def _tries(door: LiveDoor, event: Mapping[str, Any], first: Reply) -> Iterator[FieldError]:
    """Send the same again, the same id otherwise, in binary mode; ask for the status."""
    yield from _expect("202", first, 202)
    if first.status != 202:
        return
    event_id = keys.event_id(door.unit, event["source"], event["id"])
    yield from _same("event_id", first.body.get("event_id"), event_id)
    yield from _same("event_id", door.send(event).body.get("event_id"), event_id)
    headers, body = to_binary(CloudEvent(**event))
    headers["Content-Type"] = headers.pop("ce-datacontenttype")
    yield from _same("event_id", door.post(body, headers).body.get("event_id"), event_id)
    other = {**event, "data": event["data"] | {"title": "Khác"}}
    yield from _expect("409", door.send(other), 409, "id")
    yield from _expect("200", door.get(str(first.body.get("status_url"))), 200)


def _expect(name: str, reply: Reply, status: int, field: str = "") -> Iterator[FieldError]:
    """The difference of *reply* from the status and the field that a Loa answers with."""
    named = {error.get("field") for error in reply.body.get("errors", ())}
    if reply.status != status:
        values = {"wanted": status, "status": reply.status}
        yield get_text("conformance", "door_status", **values).as_field_error(name)
    elif field and field not in named:
        yield get_text("conformance", "door_field", wanted=field).as_field_error(name)


def _same(field: str, found: object, right: str) -> Iterator[FieldError]:
    if found != right:
        values = {"value": found, "right": right}
        yield get_text("conformance", "door_value", **values).as_field_error(field)
