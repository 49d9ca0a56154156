"""Vocabulary of the door: whole, true, and cheap to ask for again."""

import json

import jsonschema_rs
import pytest

from contracts import events
from contracts.vocabulary import DEFAULT, PROVINCES, REJECTIONS
from tests.support.gateway_client import DOCUMENT, sample_event


async def test_every_word_of_the_vocabulary_is_one_that_the_door_takes(client):
    answer = await client.client.get("/v1/vocabulary")
    said = answer.json()
    assert answer.status_code == 200
    assert [one["type"] for one in said["types"]] == list(events.KINDS)
    assert {one["id"] for one in said["units"]} == {*DEFAULT.units}
    assert {one["id"] for one in said["provinces"]} == {*PROVINCES}
    assert [one["code"] for one in said["rejection_codes"]] == list(REJECTIONS)
    audiences = [one["id"] for one in said["audiences"]]
    for number, topic in enumerate(one["id"] for one in said["topics"]):
        words = {"topic": topic, "audiences": audiences, "channels": said["channels"]}
        event = sample_event(id=f"e-{number}", content_id=f"tin-{number}", **words)
        assert (await client.post(event)).status_code == 202
    assert said["lanes"] == ["urgent", "normal", "bulk"]


async def test_each_type_leads_to_schemas_that_its_events_keep(client):
    listed = (await client.client.get("/v1/schemas")).json()["schemas"]
    for one in (await client.client.get("/v1/vocabulary")).json()["types"]:
        event = sample_event(events.kind_of(one["type"]))
        for url, value in ((one["event_schema"], event), (one["data_schema"], event["data"])):
            answer = await client.client.get(url)
            assert url in listed.values()
            assert answer.headers["content-type"] == "application/schema+json"
            jsonschema_rs.validator_for(answer.json()).validate(value)
    unknown = await client.client.get(f"/v1/schemas/{events.SUBMITTED.replace('tt', 't')}")
    [wrong] = unknown.json()["errors"]
    assert (unknown.status_code, wrong["field"]) == (404, "name")
    assert all(name in wrong["message"] for name in listed)
    assert f"did you mean {events.SUBMITTED}?" in wrong["message"]


@pytest.mark.parametrize("path", ["vocabulary", "schemas", f"schemas/{events.SUBMITTED}"])
async def test_who_has_it_already_gets_304_and_no_body(client, path):
    first = await client.client.get(f"/v1/{path}")
    tag = first.headers["etag"]
    for known in (tag, f'"x", W/{tag}', "*"):
        again = await client.client.get(f"/v1/{path}", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = await client.client.get(f"/v1/{path}", headers={"If-None-Match": '"x"'})
    assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.parametrize("path", ["/v1/vocabulary", "/v1/schemas"])
async def test_the_answer_is_as_the_openapi_document_says(client, path):
    operation = DOCUMENT["paths"][path]["get"]
    assert "security" not in operation
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    whole = json.loads(json.dumps(schema)) | {"components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(whole).validate((await client.client.get(path)).json())
