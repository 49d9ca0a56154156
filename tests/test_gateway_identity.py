"""One intent, one event: repeats, conflicts, owners, races, and what a sender sees."""

import asyncio
import json

import pytest
import structlog

from contracts import subjects
from contracts.errors import Conflict
from contracts.vocabulary import DEFAULT
from producers import acceptance
from producers.admission import admit
from producers.gateway import body
from producers.sending import send
from tests.doors import BATCH, OTHER, UNIT, an_event, open_door

PLACES = ("events", "publications")


@pytest.fixture
async def door(bus, clock):
    async with open_door(bus, clock) as door:
        yield door


@pytest.fixture
async def other(door):
    """The key of another unit."""
    return await door.registry.add(OTHER, release="automatic")


def admitted(event, unit=UNIT):
    return admit(body.envelope.from_structured(event), unit, DEFAULT)


async def test_a_hundred_posts_at_once_are_one_event(door):
    answers = await asyncio.gather(*(door.post(an_event()) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert len(await door.stored()) == 1


async def test_a_repeat_after_a_year_gets_the_same_answer(door, clock):
    first = await door.post(an_event())
    clock.advance(365 * 24 * 3600)
    assert (await door.post(an_event())).json() == first.json()


async def test_a_repeat_in_another_form_and_composition_is_a_repeat(door):
    first = await door.post(an_event(title="Bộ Nội vụ"))
    event = an_event(title="Bo\u0323\u0302 No\u0323\u0302i vu\u0323")
    named = {
        f"ce_{name}": event[name]
        for name in ("specversion", "id", "source", "type", "subject", "time")
    }
    again = await door.post(event["data"], "application/json", **named)
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(await door.stored()) == 1


async def test_the_same_id_with_another_content_is_409_and_stores_nothing(door):
    await door.post(an_event())
    for other_event in (an_event(title="Khác"), an_event(content_id="tin-khac")):
        answer = await door.post(other_event)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "id")
    assert len(await door.stored()) == 1
    assert await door.bus.bucket(subjects.PUBLISHED.name).get("tin-khac") is None


async def test_of_different_contents_posted_at_once_under_one_id_one_is_taken(door):
    events = [an_event(title=f"Tin {n}") for n in range(20)]
    answers = await asyncio.gather(*map(door.post, events))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 19
    [stored] = await door.stored()
    taken = [answer.status_code for answer in answers].index(202)
    assert stored["data"]["title"] == f"Tin {taken}"


async def test_the_same_id_from_another_source_is_another_event(door):
    answers = [
        await door.post(an_event(content_id=f"tin-{n}") | {"source": source})
        for n, source in enumerate((f"/units/{UNIT}", "urn:cms:1", "urn:cms:2"))
    ]
    assert len({answer.json()["event_id"] for answer in answers}) == 3


async def test_an_item_belongs_to_the_unit_that_sent_it_first(door, other):
    await door.post(an_event())
    theirs = an_event(id="theirs", revision=2) | {"source": "urn:theirs"}
    answer = await door.post(theirs, key=other)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (403, "data.content_id")
    withdrawal = an_event("withdrawn", id="w", content_id=theirs["data"]["content_id"])
    answer = await door.post(withdrawal | {"source": "urn:theirs"}, key=other)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (403, "data.content_id")
    assert len(await door.stored()) == 1


async def test_of_two_units_that_use_a_name_at_once_one_gets_it(door, other):
    for n in range(10):
        event = an_event(id=f"e-{n}", content_id=f"tin-{n}") | {"source": "urn:cms"}
        answers = await asyncio.gather(door.post(event), door.post(event, key=other))
        assert sorted(answer.status_code for answer in answers) == [202, 403]
    assert len(await door.stored()) == 10


async def test_a_batch_may_say_the_same_twice_but_not_two_things(door):
    twice = [an_event(id="a"), an_event(id="a")]
    answer = await door.post(twice, BATCH)
    assert answer.status_code == 202
    assert answer.json()["events"][0] == answer.json()["events"][1]
    answer = await door.post(
        [an_event(id="b"), an_event(id="c"), an_event(id="b", title="2")], BATCH
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "[2].id")
    assert len(await door.stored()) == 1


@pytest.mark.parametrize(
    ("spoiled", "status", "field"),
    [
        (an_event(id="known", title="Khác"), 409, "[3].id"),
        (an_event(id="new", content_id="cua-don-vi-khac"), 403, "[3].data.content_id"),
        (an_event(id="new", content_id="tin-moi", lane="urgent"), 403, "[3].data.lane"),
    ],
)
async def test_one_event_that_may_not_be_taken_keeps_the_whole_batch_out(
    door, other, spoiled, status, field
):
    await door.post(an_event(id="known"))
    theirs = an_event(content_id="cua-don-vi-khac") | {"source": "urn:theirs"}
    assert (await door.post(theirs, key=other)).status_code == 202
    before = [await door.bus.bucket(name).last_seq() for name in PLACES]
    good = [an_event(id=f"e-{n}", content_id=f"tin-{n}") for n in range(3)]
    answer = await door.post([*good, spoiled], BATCH)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
    assert len(await door.stored()) == 2
    assert [await door.bus.bucket(name).last_seq() for name in PLACES] == before


async def test_an_event_claimed_but_never_stored_is_stored_by_its_repeat(door, monkeypatch):
    """As after a crash between the claim and the stream."""

    async def crash(*_, **__):
        raise ConnectionAbortedError

    with monkeypatch.context() as crashing:
        crashing.setattr(acceptance, "send", crash)
        with pytest.raises(ConnectionAbortedError):
            await door.post(an_event())
    assert await door.stored() == []
    assert (await door.post(an_event())).status_code == 202
    assert len(await door.stored()) == 1


async def test_an_event_whose_id_the_stream_knows_with_another_content_is_not_swallowed(door):
    await send(door.bus, admitted(an_event(title="Sai")), patience_s=5)
    with pytest.raises(Conflict) as refused:
        await send(door.bus, admitted(an_event(title="Đúng")), patience_s=5)
    assert refused.value.errors[0].field == "id"
    assert (await door.post(an_event(title="Đúng"))).status_code == 202
    assert [one["data"]["title"] for one in await door.stored()] == ["Sai", "Đúng"]


async def test_the_bucket_keeps_what_the_stream_reader_needs_to_know(door, clock):
    answer = (await door.post(an_event())).json()
    kept = json.loads((await door.bus.bucket("events").get(answer["event_id"])).data)
    assert kept == {
        "hash": admitted(an_event()).content_hash,
        "unit": UNIT,
        "content_id": answer["content_id"],
        "revision": 1,
        "type": "vn.gov.moha.content.submitted.v1",
        "at": "2027-01-15T08:00:00Z",
        "refused": [],
    }
    owner = json.loads((await door.bus.bucket("publications").get(answer["content_id"])).data)
    assert owner == {"unit": UNIT, "revision": 0}


async def test_a_status_tells_that_the_event_was_received(door):
    answer = (await door.post(an_event())).json()
    status = await door.get(answer["status_url"])
    assert status.json() == {
        "content_id": answer["content_id"],
        "revision": 1,
        "state": "received",
        "channels": {},
        "timeline": [
            {"at": "2027-01-15T08:00:00+00:00", "event": "accepted", "channel": None, "detail": ""}
        ],
    }


async def test_a_status_is_the_trace_of_the_item_where_there_is_one(bus, clock):
    story = {
        "content_id": "tin",
        "revision": 1,
        "state": "released",
        "channels": {"email": {"expected": 2, "delivered": 2, "complete": True}},
        "timeline": [],
    }
    asked = []

    async def trace(event):
        asked.append(event.content_id)
        return story if len(asked) == 1 else None

    async with open_door(bus, clock, trace=trace, public_url="https://loa.example.com/") as door:
        answer = (await door.post(an_event(content_id="tin"))).json()
        assert answer["status_url"] == f"https://loa.example.com/v1/events/{answer['event_id']}"
        path = f"/v1/events/{answer['event_id']}"
        assert (await door.get(path)).json() == story
        assert (await door.get(path)).json()["state"] == "received"
    assert asked == ["tin", "tin"]


async def test_a_status_tells_why_the_event_was_refused_after_all(bus, clock):
    async def trace(_):
        return {"state": "released", "revision": 1}

    async with open_door(bus, clock, trace=trace) as door:
        answer = (await door.post(an_event())).json()
        value = await bus.bucket("events").get(answer["event_id"])
        wrong = {
            "field": "data.revision",
            "message": "must be higher",
            "message_vi": "phải lớn hơn",
        }
        record = json.loads(value.data) | {"refused": [wrong]}
        await bus.bucket("events").put(answer["event_id"], json.dumps(record).encode())
        status = (await door.get(answer["status_url"])).json()
    assert status["state"] == "refused"
    assert status["timeline"][1]["detail"] == "data.revision: must be higher"
    assert [one.get("errors") for one in status["timeline"]] == [None, [wrong]]


async def test_a_status_is_for_the_sender_alone(door, other):
    url = (await door.post(an_event())).json()["status_url"]
    unknown = f"/v1/events/{'a' * 26}"
    for path, key in ((url, other), (unknown, door.key), ("/v1/events/../x", door.key)):
        answer = await door.get(path, key=key)
        assert (answer.status_code, answer.json()["title_vi"]) == (404, "Không tìm thấy")
    assert (await door.get(f"/v1/events/{'*' * 26}")).status_code == 404
    assert (await door.get(url, key="")).status_code == 401


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({"data": {"content_id": "tin-1"}}, {"unit", "event_id", "content_id"}),
        ({"data": {"content_id": "Tin số 1"}}, {"unit", "event_id"}),
        ({"source": None}, {"unit"}),
    ],
)
async def test_the_log_of_a_refusal_names_whose_event_it_is(bus, clock, change, known):
    async with open_door(bus, clock) as door:
        event = an_event() | change
        with structlog.testing.capture_logs() as logs:
            answer = await door.post({k: v for k, v in event.items() if v is not None})
    assert answer.status_code == 422
    [line] = [one for one in logs if one["event"] == "event_refused"]
    named = {"unit", "event_id", "content_id"} & set(line)
    assert named == known
    assert line["unit"] == UNIT
