"""Messages for CONTENT that break a rule, one for each rule, and good ones."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from contracts import subjects
from contracts.envelope import to_structured
from contracts.errors import WHOLE_EVENT
from tests.support.events import UNIT, submitted


class InvalidMessage(NamedTuple):
    """A message for CONTENT: what the reason has to name, or nothing for a good one."""

    body: bytes
    field: str = ""
    kind: str = "submitted"
    headers: dict[str, str] | None = None


def written(number: int, data: dict[str, Any] | None = None, **attributes: Any) -> bytes:
    """An event as JSON, changed in its data or its attributes; None takes one away."""
    event = json.loads(to_structured(submitted(f"xau-{number}")))
    event["data"] = {k: v for k, v in (event["data"] | (data or {})).items() if v is not None}
    event |= attributes
    return json.dumps({k: v for k, v in event.items() if v is not None}).encode()


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


Poison = Callable[[int], InvalidMessage]
POISON: dict[str, Poison] = {
    "half an object": lambda n: InvalidMessage(written(n)[:-40], WHOLE_EVENT),
    "no JSON": lambda n: InvalidMessage(b"\xff\xfe%d" % n, WHOLE_EVENT),
    "nothing": lambda n: InvalidMessage(b" " * n, WHOLE_EVENT),
    "a list": lambda n: InvalidMessage(b"[%d]" % n, WHOLE_EVENT),
    "a number": lambda n: InvalidMessage(b"%d" % n, WHOLE_EVENT),
    "a key twice": lambda n: InvalidMessage(written(n)[:-1] + b',"id":"other"}', "id"),
    "not a number": lambda n: InvalidMessage(written(n, {"revision": float("nan")}), WHOLE_EVENT),
    "a megabyte": lambda n: InvalidMessage(written(n, {"body": "x" * 1_000_000}), WHOLE_EVENT),
    "deep nesting": lambda n: InvalidMessage(b"[" * (90_000 + n), WHOLE_EVENT),
    "deep inside": lambda n: InvalidMessage(written(n, {"links": nested(60)}), ""),
    "no title": lambda n: InvalidMessage(written(n, {"title": None}), "data.title"),
    "a field nobody knows": lambda n: InvalidMessage(written(n, {"colour": "red"}), "data.colour"),
    "a text for a number": lambda n: InvalidMessage(
        written(n, {"revision": "first"}), "data.revision"
    ),
    "revision nought": lambda n: InvalidMessage(written(n, {"revision": 0}), "data.revision"),
    "a topic nobody knows": lambda n: InvalidMessage(
        written(n, {"topic": "khong-co"}), "data.topic"
    ),
    "a hidden letter": lambda n: InvalidMessage(written(n, {"body": "a\u202eb"}), "data.body"),
    "a body that grows": lambda n: InvalidMessage(
        written(n, {"body": f"[a]: https://e/{'x' * 5_000}\n\n{'[a]' * 500}"}), "data.body"
    ),
    "no data": lambda n: InvalidMessage(no_data(n), "data"),
    "no id": lambda n: InvalidMessage(written(n, id=None), "id"),
    "unknown type": lambda n: InvalidMessage(written(n, type="vn.gov.moha.nothing.v1"), "type"),
    "unknown version": lambda n: InvalidMessage(
        written(n, type="vn.gov.moha.content.submitted.v2"), "type"
    ),
    "old specversion": lambda n: InvalidMessage(written(n, specversion="0.3"), "specversion"),
    "another kind's subject": lambda n: InvalidMessage(written(n), "type", "withdrawn"),
    "another unit's source": lambda n: InvalidMessage(
        written(n, source="/units/vu-cai-cach-hanh-chinh"), "source"
    ),
    "base64": lambda n: InvalidMessage(written(n, data_base64="YQ=="), "data_base64"),
    "no JSON type": lambda n: InvalidMessage(
        written(n), "Content-Type", headers={"Content-Type": "text/plain"}
    ),
    "a letter cut in half": lambda n: InvalidMessage(written(n).replace(b"Zalo", b"\\ud800"), ""),
}


def no_data(number: int) -> bytes:
    event = json.loads(written(number))
    del event["data"]
    return json.dumps(event).encode()


def good(number: int) -> InvalidMessage:
    return InvalidMessage(to_structured(submitted(f"tot-{number}")))


async def hand_in(bus, messages: list[InvalidMessage]) -> dict[int, InvalidMessage]:
    """Put the messages on the stream in this order; which one has which sequence."""

    async def store(message: InvalidMessage) -> int:
        subject = subjects.content(UNIT, message.kind)
        return (await bus.publish(subject, message.body, headers=message.headers)).seq

    stored = {}
    for start in range(0, len(messages), 50):
        chunk = messages[start : start + 50]
        stored |= zip(await asyncio.gather(*map(store, chunk)), chunk, strict=True)
    return stored


async def published(bus) -> list[str]:
    messages = bus.scan(subjects.PUBLICATIONS.name)
    return [json.loads(message.data)["data"]["content_id"] async for message in messages]
