"""One intent, one event: repeats, conflicts, owners, races, and what a sender sees."""

import asyncio
import json
from datetime import datetime, timedelta

import pytest
import structlog

from contracts import subjects
from contracts.base.times import utc_now
from contracts.cloudevent import CONTEXT_ATTRIBUTES
from contracts.errors import Conflict
from contracts.keys import content_hash
from contracts.text.moments import VIETNAM
from contracts.vocabulary import DEFAULT
from producers import acceptance
from producers.admission import admit, send_event
from producers.gateway import request_body
from tests.support.gateway_client import BATCH, OTHER, UNIT, open_gateway, sample_event
from tests.support.interruptions import an_interruption

PLACES = ("events", "publications")


@pytest.fixture
async def other_key(client):
    """The key of another unit."""
    return await client.registry.add(OTHER, release="automatic")


def admitted(event, unit=UNIT):
    return admit(request_body.envelope.from_structured(event), unit, DEFAULT)


async def test_a_hundred_posts_at_once_are_one_event(client):
    answers = await asyncio.gather(*(client.post(sample_event()) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert len(await client.stored_events()) == 1


@pytest.mark.promise("2.1")
async def test_a_repeat_after_a_year_gets_the_same_answer(client, clock):
    first = await client.post(sample_event())
    clock.advance(365 * 24 * 3600)
    assert (await client.post(sample_event())).json() == first.json()


@pytest.mark.promise("2.1")
@pytest.mark.parametrize("title", ["B¶ N¶i vø", "Bé Néi vô", "ThÃ´ng bÃ¡o"])
async def test_a_repeat_is_answered_although_its_text_would_be_refused_today(client, title):
    event = sample_event(title=title)
    refused = await client.post(event)
    assert refused.status_code == 422
    first = await client.post(sample_event())
    assert first.status_code == 202
    events = client.bus.bucket(subjects.EVENTS.name)
    [key] = await events.keys("")
    record = json.loads((await events.get(key)).data)
    record["hash"] = content_hash(event["type"], event["data"])
    await events.put(key, json.dumps(record).encode())
    again = await client.post(event)
    assert (again.status_code, again.json()["event_id"]) == (202, first.json()["event_id"])
    other = await client.post(event | {"data": event["data"] | {"body": title}})
    assert other.status_code == 422, "another content is judged"


async def test_a_new_event_that_is_over_is_refused_and_a_repeat_gets_its_old_answer(client, clock):
    soon = (utc_now(clock) + timedelta(seconds=30)).isoformat()
    event = sample_event(expires_at=soon)
    first = await client.post(event)
    clock.advance(31)
    again = await client.post(event)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    late = sample_event(id="e-2", content_id="tin-muon", expires_at=soon)
    refused = await client.post(late)
    assert refused.status_code == 422
    [wrong] = refused.json()["errors"]
    assert wrong["field"] == "data.expires_at"
    assert "has passed" in wrong["message"] and "đã qua" in wrong["message_vi"]
    batch = await client.post([sample_event(id="e-3", content_id="tin-khac"), late], BATCH)
    assert [one["field"] for one in batch.json()["errors"]] == ["[1].data.expires_at"]
    assert len(await client.stored_events()) == 1


async def test_a_repeat_in_another_form_and_composition_is_a_repeat(client):
    first = await client.post(sample_event(title="Bộ Nội vụ"))
    event = sample_event(title="Bo\u0323\u0302 No\u0323\u0302i vu\u0323")
    named = {f"ce_{name}": value for name, value in event.items() if name in CONTEXT_ATTRIBUTES}
    again = await client.post(event["data"], "application/json", **named)
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(await client.stored_events()) == 1


@pytest.mark.promise("2.2")
async def test_the_same_id_with_another_content_is_409_and_stores_nothing(client):
    await client.post(sample_event())
    for other_event in (sample_event(title="Khác"), sample_event(content_id="tin-khac")):
        answer = await client.post(other_event)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "id")
    assert len(await client.stored_events()) == 1
    assert await client.bus.bucket(subjects.PUBLISHED.name).get("tin-khac") is None


async def test_of_different_contents_posted_at_once_under_one_id_one_is_taken(client):
    events = [sample_event(title=f"Tin {n}") for n in range(20)]
    answers = await asyncio.gather(*map(client.post, events))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 19
    [stored] = await client.stored_events()
    taken = [answer.status_code for answer in answers].index(202)
    assert stored["data"]["title"] == f"Tin {taken}"


async def test_the_same_id_from_another_source_is_another_event(client):
    answers = [
        await client.post(sample_event(content_id=f"tin-{n}") | {"source": source})
        for n, source in enumerate((f"/units/{UNIT}", "urn:cms:1", "urn:cms:2"))
    ]
    assert len({answer.json()["event_id"] for answer in answers}) == 3


async def test_an_item_belongs_to_the_unit_that_sent_it_first(client, other_key):
    await client.post(sample_event())
    theirs = sample_event(id="theirs", revision=2) | {"source": "urn:theirs"}
    answer = await client.post(theirs, key=other_key)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (403, "data.content_id")
    withdrawal = sample_event("withdrawn", id="w", content_id=theirs["data"]["content_id"])
    answer = await client.post(withdrawal | {"source": "urn:theirs"}, key=other_key)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (403, "data.content_id")
    assert len(await client.stored_events()) == 1


async def test_of_two_units_that_use_a_name_at_once_one_gets_it(client, other_key):
    for n in range(10):
        event = sample_event(id=f"e-{n}", content_id=f"tin-{n}") | {"source": "urn:cms"}
        answers = await asyncio.gather(client.post(event), client.post(event, key=other_key))
        assert sorted(answer.status_code for answer in answers) == [202, 403]
    assert len(await client.stored_events()) == 10


async def test_a_batch_may_say_the_same_twice_but_not_two_things(client):
    twice = [sample_event(id="a"), sample_event(id="a")]
    answer = await client.post(twice, BATCH)
    assert answer.status_code == 202
    assert answer.json()["events"][0] == answer.json()["events"][1]
    answer = await client.post(
        [sample_event(id="b"), sample_event(id="c"), sample_event(id="b", title="2")], BATCH
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "[2].id")
    assert len(await client.stored_events()) == 1


@pytest.mark.parametrize(
    ("spoiled", "status", "field"),
    [
        (sample_event(id="known", title="Khác"), 409, "[3].id"),
        (sample_event(id="new", content_id="cua-don-vi-khac"), 403, "[3].data.content_id"),
        (sample_event(id="new", content_id="tin-moi", lane="urgent"), 403, "[3].data.lane"),
    ],
)
async def test_one_refused_event_keeps_its_batch_out(client, other_key, spoiled, status, field):
    await client.post(sample_event(id="known"))
    theirs = sample_event(content_id="cua-don-vi-khac") | {"source": "urn:theirs"}
    assert (await client.post(theirs, key=other_key)).status_code == 202
    before = [await client.bus.bucket(name).last_seq() for name in PLACES]
    good = [sample_event(id=f"e-{n}", content_id=f"tin-{n}") for n in range(3)]
    answer = await client.post([*good, spoiled], BATCH)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
    assert len(await client.stored_events()) == 2
    assert [await client.bus.bucket(name).last_seq() for name in PLACES] == before


async def test_an_event_claimed_but_never_stored_is_stored_by_its_repeat(client, monkeypatch):
    """As after a crash between the claim and the stream."""

    async def crash(*_, **__):
        raise ConnectionAbortedError

    with monkeypatch.context() as crashing:
        crashing.setattr(acceptance, "send_event", crash)
        with pytest.raises(ConnectionAbortedError):
            await client.post(sample_event())
    assert await client.stored_events() == []
    assert (await client.post(sample_event())).status_code == 202
    assert len(await client.stored_events()) == 1


async def test_an_event_whose_id_the_stream_knows_with_another_content_is_not_swallowed(client):
    await send_event(client.bus, admitted(sample_event(title="Sai")), patience_s=5)
    with pytest.raises(Conflict) as refused:
        await send_event(client.bus, admitted(sample_event(title="Đúng")), patience_s=5)
    assert refused.value.errors[0].field == "id"
    assert (await client.post(sample_event(title="Đúng"))).status_code == 202
    assert [one["data"]["title"] for one in await client.stored_events()] == ["Sai", "Đúng"]


async def test_the_bucket_keeps_what_the_stream_reader_needs_to_know(client, clock):
    answer = (await client.post(sample_event())).json()
    kept = json.loads((await client.bus.bucket("events").get(answer["event_id"])).data)
    assert kept == {
        "hash": admitted(sample_event()).content_hash,
        "unit": UNIT,
        "content_id": answer["content_id"],
        "revision": 1,
        "type": "vn.gov.moha.content.submitted.v1",
        "at": "2027-01-15T08:00:00Z",
        "channel": None,
        "refused": [],
    }
    owner = json.loads((await client.bus.bucket("publications").get(answer["content_id"])).data)
    assert owner == {"unit": UNIT, "revision": 0}


async def test_a_status_tells_that_the_event_was_received(client):
    answer = (await client.post(sample_event())).json()
    status = await client.get(answer["status_url"])
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

    async with open_gateway(bus, clock, trace=trace) as door:
        answer = (await door.post(sample_event(content_id="tin"))).json()
        path = answer["status_url"]
        assert path == f"/v1/events/{answer['event_id']}"
        assert (await door.get(path)).json() == story
        assert (await door.get(path)).json()["state"] == "received"
    assert asked == ["tin", "tin"]


async def test_a_status_tells_why_the_event_was_refused_after_all(bus, clock):
    async def trace(_):
        return {"state": "released", "revision": 1}

    async with open_gateway(bus, clock, trace=trace) as door:
        answer = (await door.post(sample_event())).json()
        value = await bus.bucket("events").get(answer["event_id"])
        texts = {"message": "must be higher", "message_vi": "phải lớn hơn"}
        wrong = {"field": "data.revision"} | texts
        record = json.loads(value.data) | {"refused": [wrong]}
        await bus.bucket("events").put(answer["event_id"], json.dumps(record).encode())
        status = (await door.get(answer["status_url"])).json()
    assert status["state"] == "refused"
    assert status["timeline"][1]["detail"] == "data.revision: must be higher"
    assert [one.get("errors") for one in status["timeline"]] == [None, [wrong]]


async def test_a_status_is_for_the_sender_alone(client, other_key):
    url = (await client.post(sample_event())).json()["status_url"]
    unknown = f"/v1/events/{'a' * 26}"
    for path, key in ((url, other_key), (unknown, client.key), ("/v1/events/../x", client.key)):
        answer = await client.get(path, key=key)
        assert (answer.status_code, answer.json()["title_vi"]) == (404, "Không tìm thấy")
    assert (await client.get(f"/v1/events/{'*' * 26}")).status_code == 404
    assert (await client.get(url, key="")).status_code == 401


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({"data": {"content_id": "tin-1"}}, {"unit", "event_id", "content_id"}),
        ({"data": {"content_id": "Tin số 1"}}, {"unit", "event_id"}),
        ({"source": None}, {"unit"}),
    ],
)
async def test_the_log_of_a_refusal_names_whose_event_it_is(bus, clock, change, known):
    async with open_gateway(bus, clock) as door:
        event = sample_event() | change
        with structlog.testing.capture_logs() as logs:
            answer = await door.post({k: v for k, v in event.items() if v is not None})
    assert answer.status_code == 422
    [line] = [one for one in logs if one["event"] == "event_refused"]
    named = {"unit", "event_id", "content_id"} & set(line)
    assert named == known
    assert line["unit"] == UNIT


async def test_an_interruption_that_is_announced_too_late_is_refused_with_its_earliest_day(
    client, clock
):
    clock.now = datetime(2027, 1, 15, 9, tzinfo=VIETNAM).timestamp()
    begins = datetime(2027, 1, 26, 22, tzinfo=VIETNAM)
    refused = await client.post(sample_event(interruption=an_interruption(begins)))
    [wrong] = refused.json()["errors"]
    assert (refused.status_code, wrong["field"]) == (422, "data.interruption.begins_at")
    assert "27/01/2027" in wrong["message"] and "27/01/2027" in wrong["message_vi"]
    stated = {"interruption": an_interruption(begins + timedelta(days=1))}
    hidden = await client.post(sample_event(channels=["email"], **stated))
    assert [one["field"] for one in hidden.json()["errors"]] == ["data.channels"]
    lawful = sample_event(**stated)
    first = await client.post(lawful)
    clock.advance(5 * 86400)
    again = await client.post(lawful)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    moved = sample_event("corrected", id="e-2", interruption=an_interruption(begins))
    assert (await client.post(moved)).status_code == 202, "intake knows what readers have"
