"""CloudEvents in JSON, one or many: known by their headers, taken whole, or refused by name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import envelope
from contracts.envelope import Mode
from contracts.errors import ContractError, Invalid, TooLarge, Unreadable, UnsupportedMedia
from tests.support.cloud_events import EVENT, JSON, cloud_events, error_of, event, field_names


@given(cloud_events)
def test_structured_there_and_back(sent):
    written = envelope.to_structured(sent)
    assert envelope.from_structured(written) == sent
    assert envelope.to_structured(envelope.from_structured(written)) == written


@given(st.lists(cloud_events, min_size=1, max_size=4))
def test_a_batch_is_its_events(sent):
    body = b"[" + b",".join(map(envelope.to_structured, sent)) + b"]"
    assert envelope.from_batch(body) == sent


@given(st.binary(max_size=200))
def test_no_bytes_get_past_the_reader_but_an_event(body):
    for read in (envelope.from_structured, envelope.from_batch):
        with pytest.raises(ContractError):
            read(body)


@given(cloud_events, st.sampled_from([":", ": ", ":\n\t"]), st.booleans())
def test_what_a_door_took_is_never_larger_when_stored(sent, colon, escaped):
    attributes = json.loads(envelope.to_structured(sent))
    body = json.dumps(attributes, ensure_ascii=escaped, separators=(",", colon)).encode()
    assert len(envelope.to_structured(envelope.from_structured(body))) <= len(body)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-11-24T08:00:00+07:00", "2026-11-24T01:00:00Z"),
        ("2026-11-24t08:00:00.5z", "2026-11-24T08:00:00.5Z"),
        ("2026-11-24T08:00:00.000Z", "2026-11-24T08:00:00Z"),
    ],
)
def test_a_time_is_stored_in_its_shortest_form(sent, stored):
    written = envelope.to_structured(envelope.from_structured(event(time=sent)))
    assert json.loads(written)["time"] == stored


def test_attributes_we_do_not_know_are_kept():
    kept = {"traceparent": "00-1-2-01", "sequence": 7, "deprecated": True}
    read = envelope.from_structured(event(**kept))
    assert read.extensions == kept
    assert json.loads(envelope.to_structured(read)).items() >= kept.items()


def test_an_attribute_that_is_null_is_absent():
    assert envelope.from_structured(event(subject=None, partitionkey=None)).extensions == {}


def test_a_byte_order_mark_is_no_part_of_the_event():
    assert envelope.from_structured(b"\xef\xbb\xbf" + json.dumps(EVENT).encode())


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (b"", "event", "is empty"),
        (b"{", "event", "line 1, column 2"),
        (b"\xff{}", "event", "not valid UTF-8 (byte 1)"),
        (b'"text"', "event", "JSON object"),
        (b"[{}]", "event", "JSON object"),
        (b'{"id": "1", "id": "2"}', "id", "twice"),
        (b'{"data": {"title": "a", "title": "b"}}', "title", "twice"),
        (b'{"data": NaN}', "event", "NaN"),
        (b'{"data": -Infinity}', "event", "-Infinity"),
        (b'{"data": 1e999}', "event", "1e999"),
        (b'{"data": ' + b"9" * 5000 + b"}", "event", "number"),
        (b'{"data": {"title": "\\ud83d"}}', "data.title", "half a character"),
        (b'{"data": {"\\ud83d": 1}}', "data", "half a character"),
        (b"[" * 200_000, "event", "12 levels"),
        (('{"data": {"a": "x' + "\u0301\u0323" * 60_000 + '"}}').encode(), "data.a", "16 marks"),
        (b'{"data":' + b'{"a":' * 20 + b"1" + b"}" * 21, "data" + ".a" * 11, "12 levels"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_whole(body, field, said):
    error = error_of(envelope.from_structured, body)
    assert (type(error), field_names(error)) == (Unreadable, [field])
    assert said in error.errors[0].message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": "absent"}, "specversion"),
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": 1.0}, "specversion"),
        ({"id": "absent"}, "id"),
        ({"id": ""}, "id"),
        ({"id": 5}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"id": "a\u202eb"}, "id"),
        ({"id": "x" * 257}, "id"),
        ({"source": ""}, "source"),
        ({"source": "a b"}, "source"),
        ({"source": "/đơn-vị"}, "source"),
        ({"source": "/%zz"}, "source"),
        ({"source": "/" * 513}, "source"),
        ({"type": "absent"}, "type"),
        ({"subject": ""}, "subject"),
        ({"time": "hôm nay"}, "time"),
        ({"time": 1764000000}, "time"),
        ({"dataschema": "a b"}, "dataschema"),
        ({"data": "absent"}, "data"),
        ({"data": None}, "data"),
        ({"data": []}, "data"),
        ({"data": "text"}, "data"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"Upper": "x"}, "Upper"),
        ({"with-dash": "x"}, "with-dash"),
        ({"x" * 65: "x"}, "x" * 65),
        ({"half": 1.5}, "half"),
        ({"wide": 2**31}, "wide"),
        ({"list": []}, "list"),
        ({"object": {}}, "object"),
        ({"empty": ""}, "empty"),
        ({"long": "x" * 1025}, "long"),
        ({"control": "a\x00"}, "control"),
        ({f"x{number}": "y" for number in range(33)}, "extensions"),
    ],
)
def test_a_wrong_attribute_is_named(changes, field):
    error = error_of(envelope.from_structured, event(**changes))
    assert (type(error), field_names(error)) == (Invalid, [field])


def test_all_wrong_attributes_are_named_at_once():
    error = error_of(envelope.from_structured, event(id="", source="a b", data=[], Upper="x"))
    assert field_names(error) == ["id", "source", "data", "Upper"]


@pytest.mark.parametrize(
    "media", ["text/plain", "application/xml", "application/json; charset=latin1"]
)
def test_data_that_is_not_json_is_another_media_type(media):
    error = error_of(envelope.from_structured, event(datacontenttype=media))
    assert (type(error), field_names(error)) == (UnsupportedMedia, ["datacontenttype"])


@pytest.mark.parametrize(
    "media", [JSON, "Application/JSON; charset=UTF-8", "application/vnd.moha+json"]
)
def test_json_by_any_name_is_taken(media):
    assert envelope.from_structured(event(datacontenttype=media)).datacontenttype == media


def test_an_event_has_256_kib_and_not_a_byte_more():
    body = envelope.to_structured(envelope.from_structured(event(data={"t": ""})))
    text = b"x" * (envelope.MAX_EVENT_BYTES - len(body))
    full = body.replace(b'{"t":""}', b'{"t":"' + text + b'"}')
    assert len(full) == envelope.MAX_EVENT_BYTES
    assert envelope.from_structured(full)
    error = error_of(envelope.from_structured, full + b" ")
    assert (type(error), field_names(error)) == (TooLarge, ["event"])


# --- which mode


@pytest.mark.parametrize(
    ("content_type", "headers", "mode"),
    [
        ("application/cloudevents+json", {}, Mode.STRUCTURED),
        ("Application/CloudEvents+JSON; charset=utf-8", {}, Mode.STRUCTURED),
        ("application/cloudevents", {}, Mode.STRUCTURED),
        ("application/cloudevents-batch+json", {}, Mode.BATCH),
        ("application/cloudevents+json", {"ce-id": "1"}, Mode.STRUCTURED),
        (JSON, {"ce-id": "1"}, Mode.BINARY),
        (None, {"CE-Id": "1"}, Mode.BINARY),
        (None, {"CONTENT-TYPE": "application/cloudevents+json"}, Mode.STRUCTURED),
        (None, {}, Mode.STRUCTURED),
        (None, None, Mode.STRUCTURED),
    ],
)
def test_the_mode_is_told_from_the_headers(content_type, headers, mode):
    assert envelope.mode(content_type, headers) is mode


@pytest.mark.parametrize(
    "content_type", [JSON, "text/plain", "application/cloudevents+avro", "multipart/form-data"]
)
def test_what_does_not_say_it_is_an_event_is_refused(content_type):
    error = error_of(envelope.decode, content_type, {}, b"{}")
    assert (type(error), field_names(error)) == (UnsupportedMedia, ["Content-Type"])


def test_a_batch_is_refused_where_one_event_is_read():
    assert type(error_of(envelope.decode, envelope.BATCH_TYPE, {}, b"[]")) is UnsupportedMedia


def test_an_event_in_another_charset_is_refused():
    error = error_of(envelope.decode, "application/cloudevents+json; charset=utf-16", {}, b"{}")
    assert "utf-16" in error.errors[0].message


# --- batch


def test_errors_of_a_batch_name_the_event():
    body = json.dumps([EVENT, event(id=""), "x", event(specversion="2")]).encode()
    error = error_of(envelope.from_batch, body)
    assert field_names(error) == ["[1].id", "[2]", "[3].specversion"]
