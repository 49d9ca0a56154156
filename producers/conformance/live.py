"""Tries of a real Loa with a unit's key: its refusals, its outlook of an item, its acceptance.

With a key for trials everything is tried: an item, its correction and its withdrawal, which reach
the unit's guests alone. With a live key nothing is stored without `publish`; with it one item is
sent that no reader gets: it is for the portal alone, is due in a year, and is withdrawn at the end.
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from threading import Event
from typing import Any, NamedTuple
from urllib.request import ProxyHandler, Request

from contracts import keys
from contracts.cloudevent import CloudEvent
from contracts.envelope import CONTENT_TYPE, to_binary
from contracts.errors import FieldError
from contracts.events import CORRECTED, WITHDRAWN
from contracts.testing import sample
from producers.conformance.one_host import opener_of_one_host
from producers.conformance.recordings import DRY_RUNS_PATH, EVENTS_PATH
from producers.texts import get_text

_TRIAL_KEY = "loatrial_"
_TIMEOUT_S = 30.0
_OUT_S, _POLL_S = 300.0, 0.5
_AHEAD = timedelta(days=365)
_SHOWN = timedelta(minutes=1)
_LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


class Reply(NamedTuple):
    """An answer of the door to *request*, such as `POST /v1/events`."""

    request: str
    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LiveDoor:
    """A Loa at *url*, asked with the key of *unit*. Calls raise OSError without an answer."""

    url: str
    key: str
    unit: str
    out_s: float = _OUT_S
    """How long a trial may take until it is out; a busy Loa has others before it."""

    @property
    def is_trial(self) -> bool:
        return self.key.startswith(_TRIAL_KEY)

    def post(self, body: bytes, headers: Mapping[str, str], path: str = EVENTS_PATH) -> Reply:
        return self._ask(path, Request(f"{self.url}{path}", body, dict(headers)))  # noqa: S310

    def send(self, event: Mapping[str, Any], path: str = EVENTS_PATH) -> Reply:
        return self.post(json.dumps(event).encode(), {"Content-Type": CONTENT_TYPE}, path)

    def get(self, path: str) -> Reply:
        return self._ask(path, Request(f"{self.url}{path}"))  # noqa: S310

    def _ask(self, path: str, request: Request) -> Reply:
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        no_proxy = [ProxyHandler({})] if self.url.startswith(_LOOPBACK) else []
        try:
            with opener_of_one_host(*no_proxy).open(request, timeout=_TIMEOUT_S) as answer:
                asked = f"{request.get_method()} {path}"
                return Reply(asked, answer.status, _read(answer.read()))
        except HTTPException as broken:
            raise OSError(str(broken)) from broken


def _read(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def unit_of_key(key: str) -> str:
    """The unit that a key names: `loa_<unit>_<secret>`, `loatrial_<unit>_<secret>`."""
    return [*key.split("_"), ""][1]


def try_door(door: LiveDoor, publish: bool) -> Iterator[FieldError]:
    """Yield a difference for each answer that is not the one expected. Raises OSError."""
    if door.send(_broken(door)).status == 401:
        yield get_text("conformance", "key_refused").as_field_error("--key")
        return
    yield from _requests(door)
    item = _item(door)
    yield from _dry_run(door, item)
    if publish or door.is_trial:
        yield from _publications(door, item)


def _broken(door: LiveDoor) -> dict[str, Any]:
    """An event without a title: every Loa refuses it, and stores nothing."""
    event = _event(door, "broken")
    del event["data"]["title"]
    return event


def _event(door: LiveDoor, content_id: str) -> dict[str, Any]:
    event = sample()
    data = event["data"] | {"content_id": content_id}
    names = {"source": f"/units/{door.unit}", "id": f"{content_id}.submitted"}
    return {"specversion": "1.0", "type": event["type"], **names, "data": data}


def _item(door: LiveDoor) -> dict[str, Any]:
    """An item that no reader gets."""
    event = _event(door, f"conformance-{secrets.token_hex(6)}")
    due = datetime.now(UTC) + _AHEAD
    times = {"not_before": due, "expires_at": due + _SHOWN}
    shown = {name: at.strftime("%Y-%m-%dT%H:%M:%SZ") for name, at in times.items()}
    event["data"] |= {"channels": ["portal"], **shown}
    return event


def _requests(door: LiveDoor) -> Iterator[FieldError]:
    """Ask for what Loa refuses, and for the events of the unit."""
    yield from _expect("no_title", door.send(_broken(door)), 422, "data.title")
    keyless = replace(door, key="")
    yield from _expect("no_key", keyless.send(_broken(door)), 401, "Authorization")
    yield from _expect("no_json", door.post(b"{", {"Content-Type": CONTENT_TYPE}), 400)
    text = door.post(b"a", {"Content-Type": "text/plain"})
    yield from _expect("text", text, 415, "Content-Type")
    unknown = f"{EVENTS_PATH}/{'a' * 26}"
    yield from _expect("unknown_event", door.get(unknown), 404, "event_id")
    yield from _expect("list", door.get(f"{EVENTS_PATH}?limit=1"), 200)
    misspelt = _broken(door) | {"source": f"//units/{door.unit}"}
    yield from _expect("bad_source", door.send(misspelt), 422)


def _dry_run(door: LiveDoor, item: Mapping[str, Any]) -> Iterator[FieldError]:
    """Ask what would become of the item, and see that this stored nothing."""
    yield from _expect("no_title", door.send(_broken(door), DRY_RUNS_PATH), 422, "data.title")
    reply = door.send(item, DRY_RUNS_PATH)
    yield from _expect("dry_run", reply, 200)
    if reply.status != 200:
        return
    yield from _same(reply, "dry_run", True)
    events = reply.body.get("events") or [{}]
    yield from _same(reply._replace(body=events[0]), "event_id", _event_id(door, item))
    yield from _marked(door, reply)
    stored = door.get(f"{EVENTS_PATH}/{_event_id(door, item)}")
    yield from _expect("not_stored", stored, 404, "event_id")


def _publications(door: LiveDoor, item: Mapping[str, Any]) -> Iterator[FieldError]:
    """Send the item, try it, and withdraw it if Loa may have stored it."""
    status = 0
    try:
        first = door.send(item)
        status = first.status
        yield from _expect("item", first, 202)
        if status == 202:
            yield from _repeats(door, item, first)
            yield from _outcome(door, item, first)
    finally:
        may_be_stored = status in (0, 202) or status >= 500
        ended = door.send(_end(item)) if may_be_stored else None
    if ended:
        yield from _expect("withdrawal", ended, 202)


def _end(event: Mapping[str, Any]) -> dict[str, Any]:
    """The withdrawal of the item of *event*."""
    item = event["data"]["content_id"]
    data = {"content_id": item, "reason": "Kết thúc kiểm tra."}
    return {**event, "type": WITHDRAWN, "id": f"{item}.withdrawn", "data": data}


def _repeats(door: LiveDoor, item: Mapping[str, Any], first: Reply) -> Iterator[FieldError]:
    """Send the same again, in binary mode, too, and the same id for another content."""
    headers, body = to_binary(CloudEvent(**item))
    headers["Content-Type"] = headers.pop("ce-datacontenttype")
    for reply in (first, door.send(item), door.post(body, headers)):
        yield from _same(reply, "event_id", _event_id(door, item))
        yield from _marked(door, reply)
    other = {**item, "data": item["data"] | {"title": "Khác"}}
    yield from _expect("other_content", door.send(other), 409, "id")


def _outcome(door: LiveDoor, item: Mapping[str, Any], first: Reply) -> Iterator[FieldError]:
    """Follow the status; a trial goes out at once, with its correction and its previews."""
    path = str(first.body.get("status_url"))
    yield from _expect("status", door.get(path), 200)
    if not door.is_trial:
        return
    content = item["data"] | {"revision": 2, "corrects_revision": 1, "title": "Bản đính chính"}
    corrected = {**item, "type": CORRECTED, "id": f"{content['content_id']}.2", "data": content}
    yield from _expect("correction", door.send(corrected), 202)
    reply = _once_out(door, path)
    if reply.body.get("state") == "received":
        text = get_text("conformance", "not_out", seconds=f"{door.out_s:g}")
        yield text.as_field_error(reply.request)
        return
    yield from _same(reply, "state", "released")
    yield from _marked(door, reply)
    previews = reply.body.get("previews") or {"portal.html": f"{path}/portal.html"}
    for preview in previews.values():
        yield from _expect("preview", door.get(preview), 200)


def _once_out(door: LiveDoor, path: str) -> Reply:
    """The status of a trial, once Loa is done with it or the time for that is over."""
    end, pause = time.monotonic() + door.out_s, Event()
    while (reply := door.get(path)).body.get("state") == "received" and time.monotonic() < end:
        pause.wait(_POLL_S)
    return reply


def _event_id(door: LiveDoor, event: Mapping[str, Any]) -> str:
    return keys.event_id(door.unit, event["source"], event["id"])


def _expect(tried: str, reply: Reply, status: int, field: str = "") -> Iterator[FieldError]:
    """The difference of *reply* from the status and the field that a Loa answers with."""
    named = {error.get("field") for error in reply.body.get("errors", ())}
    values: dict[str, object] = {"tried": get_text("conformance_try", tried)}
    if reply.status != status:
        values |= {"wanted": status, "status": reply.status}
        yield get_text("conformance", "door_status", **values).as_field_error(reply.request)
    elif field and field not in named:
        values["wanted"] = field
        yield get_text("conformance", "door_field", **values).as_field_error(reply.request)


def _same(reply: Reply, name: str, right: object) -> Iterator[FieldError]:
    """The difference of the value *name* of an answer."""
    found = reply.body.get(name)
    if found != right:
        values = {"name": name, "value": found, "right": right}
        yield get_text("conformance", "door_value", **values).as_field_error(reply.request)


def _marked(door: LiveDoor, reply: Reply) -> Iterator[FieldError]:
    """The difference of an answer to a key for trials that does not say so."""
    if door.is_trial:
        yield from _same(reply, "trial", True)
