"""CloudEvents in binary mode: attributes come in headers, data in the body, for any values."""

from urllib.parse import quote

import pytest
from hypothesis import given

from contracts import envelope
from contracts.errors import TooLarge, Unreadable
from tests.support.cloud_events import EVENT, JSON, cloud_events, error_of, field_names


def in_headers(attributes):
    return {f"ce-{name}": quote(value, safe="/") for name, value in attributes.items()}


HEADERS = in_headers({name: value for name, value in EVENT.items() if name != "data"})


@given(cloud_events)
def test_binary_there_and_back(sent):
    headers, body = envelope.to_binary(sent)
    received = envelope.decode(None, headers, body)
    texts = {name: str(value) for name, value in sent.extensions.items()}
    assert received == sent.model_copy(update={"extensions": texts})
    assert all(value.isascii() and value.isprintable() for value in headers.values())


def test_a_binary_event_that_fits_still_fits_in_structured_form():
    body = b'{"t":"' + b"x" * (envelope.MAX_EVENT_BYTES - 300) + b'"}'
    read = envelope.from_binary(HEADERS, body)
    assert len(envelope.to_structured(read)) <= envelope.MAX_EVENT_BYTES
    assert type(error_of(envelope.from_binary, HEADERS, body + b" " * 300)) is TooLarge


def test_http_binary_takes_the_datas_type_from_content_type():
    read = envelope.decode("application/json; charset=utf-8", HEADERS, b'{"title":"a"}')
    assert (read.id, read.datacontenttype) == ("số 5", "application/json; charset=utf-8")


def test_nats_binary_takes_it_from_its_own_header():
    headers = HEADERS | {"ce-datacontenttype": "application%2Fjson", "Nats-Msg-Id": "x"}
    read = envelope.decode(None, headers, b'{"title":"a"}')
    assert (read.datacontenttype, read.extensions) == (JSON, {})


def test_header_names_are_read_in_any_case():
    shouted = {name.upper(): value for name, value in HEADERS.items()}
    assert envelope.decode(None, shouted, b"{}").id == "số 5"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("plain", "plain"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ('"quoted \\" text"', 'quoted " text'),
        ("100%25", "100%"),
        ("%2541", "%41"),
    ],
)
def test_a_header_is_decoded_once(written, meant):
    assert envelope.from_binary(HEADERS | {"ce-note": written}, b"{}").extensions == {"note": meant}


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"ce-note": "%C3%28"}, "ce-note"),
        ({"ce-note": "đ"}, "ce-note"),
        ({"ce-note": "%ZZ"}, "ce-note"),
        ({"ce-note": "100%"}, "ce-note"),
        ({"ce-id": "1", "CE-ID": "2"}, "ce-id"),
    ],
)
def test_a_header_that_cannot_be_read_is_named(headers, field):
    error = error_of(envelope.from_binary, HEADERS | headers, b"{}")
    assert (type(error), field_names(error)) == (Unreadable, [field])


def test_a_binary_event_without_a_body_lacks_its_data():
    assert field_names(error_of(envelope.from_binary, HEADERS, b"")) == ["data"]


def test_a_binary_body_that_is_not_json_is_named_as_data():
    assert field_names(error_of(envelope.from_binary, HEADERS, b"{'a':1}")) == ["data"]
    error = error_of(envelope.from_binary, HEADERS, b'{"a":["\\udead"]}')
    assert field_names(error) == ["data.a.0"]
