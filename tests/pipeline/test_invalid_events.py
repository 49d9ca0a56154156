"""Bad events among good ones: each becomes one dead letter with its reason, and holds up nobody."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from consumers.dead_letters.decisions import DeadLetterDecisions, Operator, check_corrected
from contracts import subjects
from contracts.envelope import to_structured
from contracts.errors import WHOLE_EVENT
from contracts.vocabulary import DEFAULT
from tests.support.content_consumer import content_consumer
from tests.support.events import UNIT, submitted

CLERK = Operator("Trần Thị Bình", "đã sửa")


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


async def hand_in(bus, parcels: list[InvalidMessage]) -> dict[int, InvalidMessage]:
    """Put everything on the stream in this order; what stands at which sequence."""
    stored = {}
    for start in range(0, len(parcels), 50):
        some = parcels[start : start + 50]
        acks = await asyncio.gather(
            *(
                bus.publish(subjects.content(UNIT, one.kind), one.body, headers=one.headers)
                for one in some
            )
        )
        stored |= {ack.seq: one for ack, one in zip(acks, some, strict=True)}
    return stored


async def published(bus) -> list[str]:
    found = bus.scan(subjects.PUBLICATIONS.name)
    return [json.loads(one.data)["data"]["content_id"] async for one in found]


@pytest.mark.promise("1.5")
async def test_each_kind_of_poison_is_named_by_its_field(bus, nats_server, intake):
    async with content_consumer(bus, nats_server.url, intake) as heard:
        stored = await hand_in(bus, [make(0) for make in POISON.values()])
        await heard.all_acknowledged()
        letters = {letter.origin.seq: letter for letter in await heard.letters()}
    assert letters.keys() == stored.keys()
    for seq, letter in letters.items():
        fields = [error.field for error in letter.errors]
        assert all(error.field and error.message and error.message_vi for error in letter.errors)
        assert stored[seq].field in ("", fields[0]), f"{stored[seq].body[:80]!r}: {fields}"
        assert (await heard.dead.load(letter.id)).original == stored[seq].body
    assert await published(bus) == []


async def test_poison_that_is_mended_and_sent_again_goes_through(bus, nats_server, intake):
    async with content_consumer(bus, nats_server.url, intake) as heard:
        await hand_in(bus, [POISON["no title"](1), POISON["half an object"](2), good(3)])
        await heard.all_acknowledged()
        decisions = DeadLetterDecisions(heard.dead)
        for letter, number in zip(await heard.letters(), (1, 2), strict=True):
            await decisions.edit(letter, check_corrected(letter, written(number), DEFAULT), CLERK)
        await heard.all_acknowledged()
        assert await heard.letters() == [], "both are dealt with"
        await heard.all_acknowledged()
    assert sorted(await published(bus)) == ["tot-3", "xau-1", "xau-2"]


async def test_poison_that_is_sent_again_as_it_was_is_a_letter_again(bus, nats_server, intake):
    async with content_consumer(bus, nats_server.url, intake) as heard:
        await hand_in(bus, [POISON["no title"](1)])
        await heard.all_acknowledged()
        [letter] = await heard.letters()
        await DeadLetterDecisions(heard.dead).replay(letter, CLERK)
        await heard.all_acknowledged()
        [again] = await heard.letters()
    assert again.ended is None, "it waits for a person once more"
    assert again.original == letter.original
    assert [one.state for one in again.decisions] == ["replayed"], "and what was done is kept"


@pytest.mark.promise("2.2")
async def test_the_same_id_with_other_contents_fifty_times_leaves_the_first(
    bus, nats_server, intake
):
    """From the bus nobody can be answered: each becomes a letter that names the id."""
    first = submitted("tin")
    others = [
        InvalidMessage(to_structured(submitted("tin", title=f"Tiêu đề khác số {n}")))
        for n in range(50)
    ]
    async with content_consumer(bus, nats_server.url, intake) as heard:
        await hand_in(bus, [InvalidMessage(to_structured(first))])
        await heard.all_acknowledged()
        await hand_in(bus, others)
        await heard.all_acknowledged()
        letters = await heard.letters()
    assert [[error.field for error in letter.errors] for letter in letters] == [["id"]] * 50
    found = bus.scan(subjects.PUBLICATIONS.name)
    [released] = [json.loads(one.data)["data"] async for one in found]
    assert released["title"] == first.data["title"]
