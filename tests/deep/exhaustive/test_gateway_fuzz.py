"""The gateway answers every request with a status it promised, and never with 500."""

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.gateway.access import AccessControl
from tests.support.gateway_client import BATCH, STRUCTURED, open_gateway, sample_event

SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXTS = st.text(max_size=40) | st.sampled_from(
    [
        "",
        "\x00",
        "\ud800",
        "\u202e",
        "a\nb",
        "1.0",
        "/units/van-phong-bo",
        "x" * 5000,
        "=?utf-8?q?x?=",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True, allow_infinity=True)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
ATTRIBUTES = sorted([*sample_event(), "data_base64", "traceparent", "Bad-Name", "dataschema"])
FIELDS = sorted([*sample_event()["data"], "corrects_revision", "reason", "khac"])
CHANGES = st.dictionaries(st.sampled_from(ATTRIBUTES), VALUES, max_size=3)
DATA_CHANGES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3)
TYPES = st.sampled_from(
    [
        STRUCTURED,
        BATCH,
        "application/json",
        "",
        "application/cloudevents",
        f"{STRUCTURED}; charset=UTF-8",
        'text/plain; charset="x;',
        "application/cloudevents+json; charset=utf-16",
    ]
)
HEADER_NAMES = st.sampled_from(
    ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-khac", "ce-"]
)
HEADER_VALUES = st.binary(max_size=30).map(
    lambda raw: bytes(byte for byte in raw if byte >= 32 and byte != 127).strip()
) | st.sampled_from([b"%", b"%ff", b"1.0", b'"quoted"', b"vn.gov.moha.content.submitted.v1"])
HEADERS = st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=6)


def written(value):
    """JSON, with what lenient JSON libraries let through: NaN, half characters."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


@pytest.fixture
async def client(bus, clock, monkeypatch):
    """Without the limit, and at other moments than the hundreds of events before."""
    monkeypatch.setattr(AccessControl, "count_events", lambda *_: None)
    async with open_gateway(bus, clock) as door:
        yield door


@SETTINGS
@given(CHANGES, DATA_CHANGES)
async def test_changed_events(client, changes, data_changes):
    event = sample_event() | changes
    if isinstance(event["data"], dict):
        event["data"] = event["data"] | data_changes
    answer = await client.post(written(event))
    assert answer.status_code in {202, 400, 403, 409, 413, 415, 422}


@SETTINGS
@given(VALUES, TYPES)
async def test_any_json_of_any_type(client, value, content_type):
    answer = await client.post(written(value), content_type)
    assert answer.status_code in {400, 413, 415, 422}


@SETTINGS
@given(st.binary(max_size=200), TYPES)
async def test_any_bytes_of_any_type(client, raw, content_type):
    answer = await client.post(raw, content_type)
    assert answer.status_code in {400, 413, 415, 422}


@SETTINGS
@given(HEADERS, VALUES)
async def test_any_attributes_in_headers(client, headers, value):
    said = {"Authorization": f"Bearer {client.key}".encode(), "Content-Type": b"application/json"}
    body = written(sample_event()["data"] if value is None else value)
    answer = await client.client.post("/v1/events", content=body, headers=said | headers)
    client.check_against_schema("post", "/v1/events", answer)
    assert answer.status_code in {202, 400, 403, 409, 415, 422}


@SETTINGS
@given(st.lists(st.tuples(CHANGES, DATA_CHANGES), min_size=1, max_size=3))
async def test_batches_of_changed_events(client, changes):
    events = [
        sample_event(**{key: value for key, value in data.items() if key != "kind"}) | attributes
        for attributes, data in changes
        if not isinstance(data.get("content_id", ""), dict)
    ]
    answer = await client.post(written(events), BATCH)
    assert answer.status_code in {202, 400, 403, 409, 413, 415, 422}


@SETTINGS
@given(st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
async def test_any_key(client, key):
    monkey = {"Authorization": b"Bearer " + bytes(byte for byte in key if byte >= 32)}
    answer = await client.client.post("/v1/events", content=b"{}", headers=monkey)
    client.check_against_schema("post", "/v1/events", answer)
    assert answer.status_code in {401, 429}


@SETTINGS
@given(st.text(max_size=60).filter(lambda text: "/" not in text))
async def test_any_event_id(client, event_id):
    path = f"/v1/events/{quote(event_id.encode('utf-8', 'surrogatepass'), safe='')}"
    said = {"Authorization": f"Bearer {client.key}"}
    answer = await client.client.get(path, headers=said)
    assert answer.status_code in {404, 405}
    assert answer.headers["content-type"] == "application/problem+json"
