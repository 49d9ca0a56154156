"""The HTTP door: what is accepted, what is refused, and how that is said."""

import asyncio
import json
from urllib.parse import quote

import pytest
import structlog

from contracts import keys, subjects
from producers.bus import topology
from producers.gateway import request_body
from tests.support.gateway_client import (
    BATCH,
    OTHER,
    STRUCTURED,
    UNIT,
    sample_event,
    stored_events,
)

DOSSIER = keys.case_content_id("G09.20-20260609-0092637")
BINARY = {
    "ce_specversion": "1.0",
    "ce_id": "b-1",
    "ce_source": f"/units/{UNIT}",
    "ce_type": "vn.gov.moha.content.submitted.v1",
}


def changed(**attributes):
    """A good event with other attributes; None takes one away."""
    event = sample_event() | attributes
    return {name: value for name, value in event.items() if value is not None}


async def test_an_accepted_event_is_on_the_stream_and_has_a_status(client):
    event = sample_event()
    answer = await client.post(event)
    assert answer.status_code == 202
    accepted = answer.json()
    assert accepted == {
        "event_id": accepted["event_id"],
        "content_id": event["data"]["content_id"],
        "revision": 1,
        "status_url": f"/v1/events/{accepted['event_id']}",
    }
    [message] = [one async for one in client.bus.scan(subjects.CONTENT.name)]
    assert message.subject == f"content.{UNIT}.submitted"
    assert message.headers["Nats-Msg-Id"] == accepted["event_id"]
    assert message.headers["Content-Type"] == STRUCTURED
    assert json.loads(message.data)["data"] == event["data"]


async def test_a_title_that_zalo_shows_in_part_is_taken_with_a_warning(client):
    long, fitting = "Công bố thủ tục hành chính " * 11, "Công bố thủ tục hành chính"
    accepted = (await client.post(sample_event(title=long.strip()))).json()
    [warning] = accepted["warnings"]
    assert (warning["field"], warning["code"]) == ("data.title", "title_cut")
    assert warning["message"] != warning["message_vi"]
    events = [sample_event(id=f"l-{n}", content_id=f"dai-{n}", title=long) for n in (1, 2)]
    events[1]["data"]["short_title"] = fitting
    first, second = (await client.post(events, BATCH)).json()["events"]
    assert first["warnings"] == [warning] and "warnings" not in second
    assert [one["data"].get("short_title") for one in await client.stored_events()] == [
        None, None, fitting,
    ]  # fmt: skip


async def test_misread_text_is_refused_and_lost_letters_are_warned_of(client):
    misread = "Thông báo tuyển dụng".encode().decode("cp1252")
    refused = await client.post(sample_event(title=misread))
    [error] = refused.json()["errors"]
    assert (refused.status_code, error["field"]) == (422, "data.title")
    assert all("Thông báo tuyển dụng" in error[text] for text in ("message", "message_vi"))
    accepted = await client.post(sample_event(title="Th?ng b?o", summary="Th&ocirc;ng b&aacute;o"))
    warnings = accepted.json()["warnings"]
    assert accepted.status_code == 202
    assert {one["field"]: one["code"] for one in warnings} == {
        "data.title": "marks_lost",
        "data.summary": "html_entity",
    }


async def test_a_binary_event_is_stored_in_structured_form(client):
    event = sample_event()
    trace = quote("mã vết 1")
    answer = await client.post(event["data"], "application/json", **BINARY, ce_correlationid=trace)
    assert answer.status_code == 202
    [stored] = await client.stored_events()
    assert stored["data"] == event["data"]
    assert (stored["id"], stored["correlationid"]) == ("b-1", "mã vết 1")


async def test_a_batch_is_stored_in_its_order(client):
    events = [sample_event(id=f"e-{n}", content_id=f"tin-{n}") for n in range(100)]
    answer = await client.post(events, BATCH)
    content_ids = [one["content_id"] for one in answer.json()["events"]]
    assert (answer.status_code, content_ids) == (202, [f"tin-{n}" for n in range(100)])
    assert [one["id"] for one in await client.stored_events()] == [f"e-{n}" for n in range(100)]


async def test_a_batch_of_one_gets_a_list_and_names_its_fields_as_a_batch(client):
    answer = await client.post([sample_event()], BATCH)
    assert len(answer.json()["events"]) == 1
    refused = await client.post([sample_event(title="")], BATCH)
    assert refused.json()["errors"][0]["field"] == "[0].data.title"


async def test_a_batch_with_one_wrong_event_stores_nothing_and_names_all_faults(client):
    events = [sample_event(id=f"e-{n}", content_id=f"tin-{n}") for n in range(5)]
    events[1]["data"]["topic"] = "khong-co"
    del events[3]["data"]["title"]
    answer = await client.post(events, BATCH)
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["errors"]} == {"[1].data.topic", "[3].data.title"}
    assert await client.stored_events() == []
    assert await client.bus.bucket(subjects.EVENTS.name).keys() == []
    assert await client.bus.bucket(subjects.PUBLISHED.name).keys() == []


async def test_a_correction_and_a_withdrawal_are_accepted(client):
    await client.post(sample_event())
    content_id = sample_event()["data"]["content_id"]
    correction = sample_event("corrected", id="e-2", content_id=content_id)
    assert (await client.post(correction)).json()["revision"] == 2
    withdrawal = sample_event("withdrawn", id="e-3", content_id=content_id)
    assert (await client.post(withdrawal)).json()["revision"] is None
    kinds = [one["type"].split(".")[-2] for one in await client.stored_events()]
    assert kinds == ["submitted", "corrected", "withdrawn"]


async def test_a_withdrawal_tells_the_newest_revision_that_intake_let_in(client):
    event = sample_event("withdrawn")
    known = json.dumps({"unit": UNIT, "revision": 4, "state": "released"}).encode()
    await client.bus.bucket(subjects.PUBLISHED.name).create(event["data"]["content_id"], known)
    assert (await client.post(event)).json()["revision"] == 4


@pytest.mark.parametrize("kind", ["corrected", "withdrawn"])
async def test_what_changes_an_unknown_item_waits_for_what_the_unit_published_before(client, kind):
    """The first text may lie in the unit's inbound stream; what is moved comes first on CONTENT."""
    event = sample_event(kind, content_id="tin-moi")
    await topology.apply(client.bus, [UNIT])
    await client.bus.publish(subjects.inbound(UNIT, "submitted"), b"{}")
    answer = await client.post(event)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert await stored_events(client.bus) == []
    assert (await client.post(sample_event(id="e-2", content_id="tin-khac"))).status_code == 202
    known = sample_event(kind, id="e-3", content_id="tin-khac")
    assert (await client.post(known)).status_code == 202, "its item is known"
    await client.bus.connection.api_request(f"STREAM.PURGE.{subjects.inbound_stream(UNIT).name}")
    assert (await client.post(event)).status_code == 202


async def test_a_correction_of_something_not_sent_reserves_no_name(client):
    answer = await client.post(sample_event("corrected", content_id="tin-moi"))
    assert answer.status_code == 202
    assert await client.bus.bucket(subjects.PUBLISHED.name).get("tin-moi") is None


async def test_a_withdrawal_of_something_nobody_sent_reserves_no_name(client):
    event = sample_event("withdrawn")
    await client.post(event)
    key = await client.registry.add(OTHER, release="automatic")
    theirs = changed(source=f"/units/{OTHER}")
    theirs["data"]["content_id"] = theirs["subject"] = event["data"]["content_id"]
    assert (await client.post(theirs, key=key)).status_code == 202


REFUSED = {
    "broken JSON": (b'{"specversion": ', STRUCTURED, 400, "event"),
    "a batch that is no list": (b"{}", BATCH, 400, "event"),
    "an empty batch": (b"[]", BATCH, 422, "event"),
    "a long batch": ([sample_event(id=str(n)) for n in range(101)], BATCH, 413, "event"),
    "a large event": (sample_event(body="ă" * 200_000), STRUCTURED, 413, "event"),
    "a large event in a batch": ([sample_event(body="ă" * 200_000)], BATCH, 413, "[0]"),
    "a large body": (b" " * (request_body.BATCH_BODY_BYTES + 1), BATCH, 413, "event"),
    "a form": (b"id=1", "application/x-www-form-urlencoded", 415, "Content-Type"),
    "plain JSON without ce- headers": (sample_event(), "application/json", 415, "Content-Type"),
    "an unknown type": (changed(type="vn.gov.moha.news.v1"), STRUCTURED, 422, "type"),
    "a lane that no unit may ask for": (sample_event(lane="notice"), STRUCTURED, 422, "data.lane"),
    "a dossier's name": (sample_event(content_id=DOSSIER), STRUCTURED, 422, "data.content_id"),
    "no contact": (sample_event("updated", contact=None), STRUCTURED, 422, "data.contact"),
    "an unknown topic": (sample_event(topic="khong-co"), STRUCTURED, 422, "data.topic"),
    "a topic of Loa's own": (sample_event(topic="dinh-chinh"), STRUCTURED, 422, "data.topic"),
    "another unit's source": (changed(source=f"/units/{OTHER}"), STRUCTURED, 403, "source"),
    "the urgent lane": (sample_event(lane="urgent"), STRUCTURED, 403, "data.lane"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_refused_with_the_field_in_both_languages(client, what):
    sent, content_type, status, field = REFUSED[what]
    answer = await client.post(sent, content_type)
    said = answer.status_code, answer.headers["content-type"]
    assert said == (status, "application/problem+json")
    problem = answer.json()
    assert field in [error["field"] for error in problem["errors"]]
    assert all(error["message"] and error["message_vi"] for error in problem["errors"])
    assert (problem["status"], problem["instance"]) == (status, "/v1/events")
    assert problem["title"] and problem["title_vi"]
    for name, message in (("detail", "message"), ("detail_vi", "message_vi")):
        texts = "; ".join(f"{error['field']}: {error[message]}" for error in problem["errors"])
        assert problem[name].startswith(texts[:2000])
    assert await client.stored_events() == []


async def test_a_good_key_is_needed(client):
    for key in ("", "loa_x_1", client.key[:-1] + "x"):
        answer = await client.post(sample_event(), key=key)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json()["errors"][0]["field"] == "Authorization"
    for scheme in ("Basic", "bearer"):
        said = {"Authorization": f"{scheme} {client.key}"}
        answer = await client.client.post("/v1/events", headers=said, content=b"")
        assert (answer.status_code == 401) == (scheme == "Basic")


async def test_a_wrong_key_is_called_wrong_and_not_missing(client):
    wrong, missing = [
        (await client.post(sample_event(), key=key)).json() for key in (client.key[:-1] + "x", "")
    ]
    assert wrong["errors"][0]["message"] == "this API key is not valid"
    assert wrong["errors"] != missing["errors"]
    assert "valid" in wrong["title"] and "hợp lệ" in wrong["title_vi"]


async def test_a_key_that_a_forgotten_variable_left_empty_is_told_apart_from_none(client):
    """`-H "Authorization: Bearer $KEY"` in a shell where KEY was never set."""
    for header, hint in (("Bearer ", True), ("Bearer", True), ("", False), ("Basic eA==", False)):
        answer = await client.client.post("/v1/events", headers={"Authorization": header})
        [wrong] = answer.json()["errors"]
        assert (answer.status_code, wrong["field"]) == (401, "Authorization")
        assert ("is followed by nothing" in wrong["message"]) == hint
        assert ("không có khóa API" in wrong["message_vi"]) == hint


async def test_the_urgent_lane_is_open_to_units_that_may_use_it(client):
    key = await client.registry.add(OTHER, release="automatic", urgent=True)
    event = sample_event(lane="urgent") | {"source": f"/units/{OTHER}"}
    assert (await client.post(event, key=key)).status_code == 202


async def test_the_unit_is_what_the_key_proves_whatever_the_event_says(client):
    event = changed(source="https://cms.example.com/articles", unit=OTHER)
    assert (await client.post(event)).status_code == 202
    [message] = [one async for one in client.bus.scan(subjects.CONTENT.name)]
    assert message.subject == f"content.{UNIT}.submitted"


async def test_a_compressed_body_is_refused(client):
    answer = await client.post(b"\x1f\x8b", content_encoding="gzip")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (415, "Content-Encoding")


async def test_a_repeated_attribute_is_refused(client):
    said = [("Authorization", f"Bearer {client.key}"), ("Content-Type", "application/json")]
    said += [(name.replace("_", "-"), value) for name, value in BINARY.items()]
    answer = await client.client.post("/v1/events", json={}, headers=[*said, ("ce-id", "b-2")])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "ce-id")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_without_end_is_refused_before_it_ends(client, announced):
    read = []

    async def endless():
        for _ in range(1000):
            read.append(64 * 1024)
            yield b" " * 64 * 1024

    said = {"Authorization": f"Bearer {client.key}", "Content-Type": STRUCTURED}
    if announced:
        said["Content-Length"] = str(1000 * 64 * 1024)
    answer = await client.client.post("/v1/events", content=endless(), headers=said)
    assert answer.status_code == 413
    assert sum(read) <= (0 if announced else 5 * 64 * 1024)


async def test_a_body_that_does_not_come_ends_in_408(client, monkeypatch):
    monkeypatch.setattr(request_body, "READ_TIMEOUT_S", 0.05)

    async def stuck():
        yield b"{"
        await never.wait()

    never = asyncio.Event()
    said = {"Authorization": f"Bearer {client.key}", "Content-Type": STRUCTURED}
    answer = await client.client.post("/v1/events", content=stuck(), headers=said)
    client.check_against_schema("post", "/v1/events", answer)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (408, "body")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/../v1/event", 404),
        ("POST", "/v1/events/", 404),
        ("PATCH", "/v1/events", 405),
        ("DELETE", "/v1/events/a", 405),
        ("PUT", "/v1/events", 405),
    ],
)
async def test_unknown_paths_and_methods_are_problems_too(client, method, path, status):
    answer = await client.client.request(method, path)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["errors"][0]["message_vi"]


@pytest.mark.parametrize("path", ["/v2/events", "/v0/events/a", "/v2"])
async def test_another_version_is_told_by_name(client, path):
    answer = await client.client.post(path)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (404, "path")
    assert "/v1/events" in error["message"]
    assert "/v1/events" in error["message_vi"]


@pytest.mark.parametrize(
    ("headers", "data", "named"),
    [
        ({"ce-source": "/units/van-phong-bo"}, {}, "ce-source"),
        ({"ce-type": "x"}, {}, "ce-type"),
        ({"ce-subject": "tin-khac"}, {}, "ce-subject"),
        ({"ce-id": ""}, {}, "ce-id"),
        ({"ce-UPPER_case": "1"}, {}, "ce-upper_case"),
        ({"Content-Type": "text/plain"}, {}, "Content-Type"),
        ({}, {"title": ""}, "data.title"),
    ],
)
async def test_a_field_is_named_as_the_sender_wrote_it(client, headers, data, named):
    event = sample_event(**data)
    said = {name.replace("_", "-"): value for name, value in BINARY.items()}
    said |= {"Authorization": f"Bearer {client.key}", "Content-Type": "application/json"} | headers
    body = json.dumps(event["data"])
    answer = await client.client.post("/v1/events", content=body, headers=said)
    assert [error["field"] for error in answer.json()["errors"]] == [named]
    assert answer.json()["detail"].startswith(f"{named}: ")


async def test_no_key_and_no_text_is_logged(client, capsys):
    await client.post(sample_event(title="Tin mật 7b1f"))
    await client.post(sample_event(title="Tin mật 7b1f", topic="khong-co"))
    await client.post(sample_event(title="Tin mật 7b1f"), key=client.key[:-1])
    printed = "".join(capsys.readouterr())
    assert "event_refused" in printed
    assert "7b1f" not in printed
    assert client.key[:-1] not in printed


async def test_two_keys_in_one_request_are_no_key(client):
    """A proxy in front may have looked at the other one."""
    for first, second in ((client.key, "x"), ("x", client.key), (client.key, client.key)):
        headers = [("Authorization", f"Bearer {first}"), ("Authorization", f"Bearer {second}")]
        headers.append(("Content-Type", STRUCTURED))
        body = json.dumps(sample_event())
        answer = await client.client.post("/v1/events", content=body, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["field"] == "Authorization"
    assert await client.stored_events() == []


async def test_a_source_in_another_spelling_is_refused(client):
    for source in (f"//units/{UNIT}", f"units/{OTHER}", f"/Units/{UNIT}"):
        answer = await client.post(changed(source=source))
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "source")


async def test_a_name_that_the_sender_invented_is_not_logged(client):
    """It may be an address or a person's name; the sender's own answer has it."""
    private = "nguyen.van.a@example.com"
    events = [
        sample_event(**{private: "x"}),
        sample_event(cover={"url": "https://x.example/a.jpg", "alt": "x", private: 1}),
        changed(**{private: "x"}),
    ]
    shown = []
    with structlog.testing.capture_logs() as logs:
        for event in events:
            answer = await client.post(event)
            assert private in answer.text
            assert answer.status_code == 422
        await client.post(b'[{"%b": 1, "%b": 2}]' % (private.encode(), private.encode()), BATCH)
        await client.post([sample_event(title="")], BATCH)
        shown = [line["fields"] for line in logs if line["event"] == "event_refused"]
    assert "nguyen" not in str(logs)
    assert shown[1][0].startswith("data.cover.(unknown)")
    assert shown[-1] == ["[0].data.title"]
    assert len(shown) == len(events) + 2
