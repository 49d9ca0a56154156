"""Output of commands, and requests and answers of the HTTP door and the bus, only grow."""

import json
from copy import deepcopy
from functools import cache

import pytest

from contracts.events import SUBMITTED
from contracts.facts.content_status import STATUS_CHANGED as STATUS
from contracts.publication import RELEASED as PUBLICATION
from contracts.schemas import asyncapi, schema_files
from contracts.schemas.compatibility import lost_answers
from tests.lint.released import (
    FOLDER,
    OPENAPI,
    RELEASED,
    as_lines,
    as_released,
    breaks,
    openapi_text,
    parts_of_bus,
    parts_of_http,
    present,
    released,
)


@pytest.mark.parametrize("name", RELEASED)
def test_nothing_that_was_released_is_broken(name):
    assert breaks(released(name), present(name)) == []


@pytest.mark.parametrize("name", RELEASED)
def test_what_is_new_is_kept_as_released(name):
    """`python -m tests.lint.commands` adds it."""
    assert (FOLDER / f"{name}.json").read_text("utf-8") == as_lines(present(name))


OLD = {
    "type": "object",
    "required": ["state", "at"],
    "properties": {
        "state": {"enum": ["held", "out"], "type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "count": {"type": "integer"},
        "by": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
        "sums": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "$defs": {"Row": {"type": "object", "properties": {"id": {"type": "string"}}}},
}
LOSSES = {
    "a field gone": (lambda f, _: f.pop("by"), "by: is gone"),
    "a field not always there": (lambda _, s: s["required"].remove("at"), "at: may be missing now"),
    "another type": (lambda f, _: f["count"].update(type="string"), "count: string is new"),
    "null as well": (
        lambda f, _: f["count"].update(type=["integer", "null"]),
        "count: null is new",
    ),
    "a fraction": (lambda f, _: f["count"].update(type="number"), "count: number is new"),
    "a word gone": (lambda f, _: f["state"]["enum"].remove("out"), "state: enum"),
    "another form": (lambda f, _: f["at"].update(format="date"), "at: format"),
    "a type gone": (lambda f, _: f["by"]["anyOf"].pop(0), "by: string is gone"),
    "a field of rows gone": (lambda _, s: s["$defs"]["Row"].update(properties={}), "rows[].id: is"),
    "other sums": (
        lambda f, _: f["sums"]["additionalProperties"].update(type="string"),
        "sums.*: ",
    ),
    "a list": (lambda _, s: s.update(type="array", items={}), "root: array is new"),
}
GAINS = {
    "a field": lambda f, _: f.update(mood={"type": "string"}),
    "a field that is always there": lambda f, s: (f.update(a={}), s["required"].append("a")),
    "always there": lambda _, s: s["required"].append("count"),
    "a word": lambda f, _: f["state"]["enum"].append("gone"),
    "null never": lambda f, _: f["by"]["anyOf"].pop(),
    "other descriptions": lambda f, s: (f["at"].update(description="x"), s.update(title="y")),
}


def changed(change):
    schema = deepcopy(OLD)
    change(schema["properties"], schema)
    return schema


@pytest.mark.parametrize("case", LOSSES)
def test_what_readers_of_an_answer_lose_is_named(case):
    change, named = LOSSES[case]
    assert any(line.startswith(named) for line in lost_answers(OLD, changed(change)))


@pytest.mark.parametrize("case", GAINS)
def test_an_answer_may_grow(case):
    assert lost_answers(OLD, changed(GAINS[case])) == []


def test_a_part_that_is_gone_and_a_request_that_asks_more_are_named():
    body = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}
    old = {"parts": {"request POST /a": body, "answer GET /b 200": {}}, "$defs": {}}
    new = {"parts": {"request POST /a": body | {"required": ["a"]}}, "$defs": {}}
    named = ["answer GET /b 200: is gone", "request POST /a: a: is required now"]
    assert breaks(old, new) == named
    assert breaks(new, old) == []


# --- the documents for other systems


def test_the_committed_openapi_document_is_the_one_that_the_door_serves():
    """`python -m tests.lint.commands` writes it."""
    assert OPENAPI.read_text("utf-8") == openapi_text()


@cache
def documents():
    """Texts of the documents of the HTTP door and the bus, and of the schemas of the latter."""
    described = (asyncapi.build_document(), schema_files.build_schemas())
    return OPENAPI.read_text("utf-8"), json.dumps(described)


def sent(document):
    return document["paths"]["/v1/events"]["post"]


def components(document):
    return document["components"]["schemas"]


def submitted(document):
    return components(document)["ContentSubmittedV1Data"]


SEND, STRUCTURED = "POST /v1/events", "POST /v1/events application/cloudevents+json"
BROKEN_HTTP = {
    "a path": (lambda d: d["paths"].pop("/v1/vocabulary"), "fixed GET /v1/vocabulary: is gone"),
    "an operation": (
        lambda d: d["paths"]["/v1/events/{event_id}"].pop("get"),
        "request GET /v1/events/{event_id}: is gone",
    ),
    "an operation's name": (
        lambda d: sent(d).update(operationId="postEvents"),
        f"fixed {SEND}: operationId: sendEvents → postEvents",
    ),
    "a key needed": (
        lambda d: d["paths"]["/v1/vocabulary"]["get"].update(security=[{"key": []}]),
        "fixed GET /v1/vocabulary: security: [] → ",
    ),
    "a kind of keys": (
        lambda d: d["components"]["securitySchemes"].update(
            key={"type": "apiKey", "in": "header", "name": "X-Key"}
        ),
        "fixed key key: type: http → apiKey",
    ),
    "keys": (
        lambda d: d["components"]["securitySchemes"].clear(),
        "fixed key key: is gone",
    ),
    "a body that may be left out": (
        lambda d: sent(d)["requestBody"].pop("required"),
        f"fixed {SEND}: body required: True → False",
    ),
    "a status": (
        lambda d: sent(d)["responses"].pop("409"),
        f"answer {SEND} 409 application/problem+json: is gone",
    ),
    "a status without a body": (
        lambda d: d["paths"]["/v1/vocabulary"]["get"]["responses"].pop("304"),
        "answer GET /v1/vocabulary 304: is gone",
    ),
    "a type of requests": (
        lambda d: sent(d)["requestBody"]["content"].pop("application/json"),
        f"request {SEND} application/json: is gone",
    ),
    "a type of answers": (
        lambda d: sent(d)["responses"]["422"]["content"].clear(),
        f"answer {SEND} 422 application/problem+json: is gone",
    ),
    "a header of answers": (
        lambda d: sent(d)["responses"]["503"]["headers"].pop("Retry-After"),
        f"answer {SEND} 503: Retry-After: is gone",
    ),
    "a parameter": (
        lambda d: sent(d)["parameters"].pop(1),
        f"request {SEND}: header ce-id: is gone",
    ),
    "a parameter required": (
        lambda d: sent(d)["parameters"][1].update(required=True),
        f"request {SEND}: header ce-id: is required now",
    ),
    "a parameter narrower": (
        lambda d: sent(d)["parameters"][1]["schema"].update(maxLength=9),
        f"request {SEND}: header ce-id: maxLength unsaid → 9",
    ),
    "a field of requests": (
        lambda d: submitted(d)["properties"].pop("author"),
        f"request {STRUCTURED}: data.author: is gone",
    ),
    "a field of requests required": (
        lambda d: submitted(d)["required"].append("author"),
        f"request {STRUCTURED}: data.author: is required now",
    ),
    "a field of requests narrower": (
        lambda d: submitted(d)["properties"]["title"].update(maxLength=60),
        f"request {STRUCTURED}: data.title: maxLength 300 → 60",
    ),
    "a choice of requests": (
        lambda d: submitted(d)["properties"]["lane"]["enum"].remove("bulk"),
        f"request {STRUCTURED}: data.lane: enum",
    ),
    "a field of answers": (
        lambda d: components(d)["EventAccepted"]["properties"].pop("status_url"),
        f"answer {SEND} 202 application/json: status_url: is gone",
    ),
    "a field of answers not always there": (
        lambda d: components(d)["EventAccepted"]["required"].remove("status_url"),
        f"answer {SEND} 202 application/json: status_url: may be missing now",
    ),
    "a field of answers of another type": (
        lambda d: components(d)["Problem"]["properties"]["status"].update(type="string"),
        f"answer {SEND} 422 application/problem+json: status: string is new",
    ),
}


def status_data(schemas):
    return schemas[f"{STATUS}.event.json"]["properties"]["data"]


BROKEN_BUS = {
    "a channel": (lambda d, _: d["channels"].pop("withdrawn"), "fixed channel withdrawn: is gone"),
    "an address": (
        lambda d, _: d["channels"]["submitted"].update(address="content.{unit}.new"),
        "fixed channel submitted: address: content.{unit}.submitted → content.{unit}.new",
    ),
    "a stream": (
        lambda d, _: d["channels"]["released"]["x-jetstream"].update(stream="RELEASED"),
        "fixed channel released: stream: PUBLICATIONS → RELEASED",
    ),
    "a channel that is closed": (
        lambda d, _: d["channels"]["released"].update({"x-internal": True}),
        "fixed channel released: is gone",
    ),
    "an operation": (
        lambda d, _: d["operations"].pop("send-released"),
        "fixed operation send-released: is gone",
    ),
    "an operation's direction": (
        lambda d, _: d["operations"]["send-released"].update(action="receive"),
        "fixed operation send-released: action: send → receive",
    ),
    "a message": (
        lambda d, _: d["channels"]["released"]["messages"].clear(),
        f"fixed message {PUBLICATION}: is gone",
    ),
    "a payload": (
        lambda d, _: d["components"]["messages"][PUBLICATION]["payload"].update(schema={}),
        f"fixed message {PUBLICATION}: payload: ",
    ),
    "a content type": (
        lambda d, _: d["components"]["messages"][PUBLICATION].update(contentType="text/plain"),
        f"fixed message {PUBLICATION}: contentType: ",
    ),
    "a field of what readers follow": (
        lambda _, s: s[f"{PUBLICATION}.event.json"]["properties"]["data"]["properties"].pop(
            "event_id"
        ),
        f"answer {PUBLICATION}: data.event_id: is gone",
    ),
    "a field of statuses not always there": (
        lambda _, s: status_data(s)["required"].remove("at"),
        f"answer {STATUS}: data.at: may be missing now",
    ),
    "a field of statuses of more types": (
        lambda _, s: status_data(s)["properties"]["at"].update(type=["string", "integer"]),
        f"answer {STATUS}: data.at: integer is new",
    ),
    "a kind of statuses": (
        lambda _, s: s[f"{STATUS}.event.json"]["$defs"]["StatusKind"]["enum"].remove("withdrawn"),
        f"answer {STATUS}: data.kind: enum ",
    ),
}


def planted(name, change):
    """Breaks of the file *name* after *change* worked on its documents."""
    http, bus = map(json.loads, documents())
    if name == "http":
        change(http)
        return breaks(released(name), as_released(parts_of_http(http)))
    change(*bus)
    return breaks(released(name), as_released(parts_of_bus(*bus)))


@pytest.mark.parametrize("kind", BROKEN_HTTP)
def test_a_break_of_the_http_door_is_named(kind):
    change, line = BROKEN_HTTP[kind]
    assert any(found.startswith(line) for found in planted("http", change))


@pytest.mark.parametrize("kind", BROKEN_BUS)
def test_a_break_of_the_bus_is_named(kind):
    change, line = BROKEN_BUS[kind]
    assert any(found.startswith(line) for found in planted("bus", change))


HEADERS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("name", "before", "after", "line"),
    [
        (STATUS, HEADERS, HEADERS | {"required": []}, f"answer {STATUS} headers: a: may be"),
        (SUBMITTED, HEADERS | {"required": []}, HEADERS, f"request {SUBMITTED} headers: a: is req"),
        (STATUS, HEADERS, None, f"answer {STATUS} headers: is gone"),
    ],
    ids=["not always sent", "asked for", "gone"],
)
def test_a_break_of_the_headers_that_a_message_names_is_named(name, before, after, line):
    documents = asyncapi.build_document(), schema_files.build_schemas()
    parts = []
    for headers in (before, after):
        message = documents[0]["components"]["messages"][name]
        message.update({"headers": headers} if headers else {})
        if headers is None:
            del message["headers"]
        parts.append(as_released(parts_of_bus(*documents)))
    [found] = breaks(*parts)
    assert found.startswith(line)


def test_other_words_and_one_more_of_all_break_nothing():
    def grown(document):
        sent(document)["responses"]["418"] = {"description": "x"}
        submitted(document)["properties"]["mood"] = {"type": "string"}
        components(document)["EventAccepted"]["properties"]["mood"] = {"type": "string"}
        sent(document).update(summary="y")

    assert planted("http", grown) == []
    assert planted("bus", lambda d, _: d["channels"].update(x=d["channels"]["released"])) == []
