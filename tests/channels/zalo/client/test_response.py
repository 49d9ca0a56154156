"""Answers are parsed tolerantly, and an unreadable one never counts as a success."""

import pytest

from channels.errors import Unreachable
from channels.zalo.client.article_api import article_entries, parse_listed
from channels.zalo.client.response import ApiResponse, first_text, parse_response, whole_number
from channels.zalo.client.transport import HttpResponse
from channels.zalo.errors import AmbiguousResult
from channels.zalo.publications.record import ArticleRecord


def reply(body: bytes | str, status: int = 200) -> HttpResponse:
    return HttpResponse(status, {}, body if isinstance(body, bytes) else body.encode())


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"data":{"token":"t"},"error":0,"message":"Success"}', 0),
        ('{"data":{},"error":"0","message":"success"}', 0),
        ('{"error":-216,"message":"Access token is invalid"}', -216),
        ('{"error":"-216"}', -216),
        ('{"error":" -32 "}', -32),
        ('{"error":-214.0,"message":null}', -214),
        ('{"error":216}', 216),
    ],
)
def test_the_code_may_be_a_number_or_a_text(body, error):
    assert parse_response(reply(body)).error == error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"<html>502</html>",
        b'{"data":{"token":"abc',
        b"[]",
        b"null",
        b'"ok"',
        b'{"data":{"id":"1"}}',
        b'{"error":null}',
        b'{"error":true}',
        b'{"error":"none"}',
        b'{"error":0.5}',
        b'{"error":{}}',
        b'{"error":NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"error":"' + b"9" * 5000 + b'"}',
    ],
)
def test_what_is_no_envelope_is_a_doubt(body):
    with pytest.raises(AmbiguousResult):
        parse_response(reply(body))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_gateway_error_is_a_doubt_whatever_it_says(status):
    with pytest.raises(AmbiguousResult):
        parse_response(reply('{"error":0,"data":{"id":"1"}}', status))


@pytest.mark.parametrize(
    ("body", "error"),
    [("<html>", -404), ("", -404), ('{"error":-209}', -209), ('{"error":0}', -404)],
)
def test_a_path_that_does_not_exist_is_the_programs_fault(body, error):
    assert parse_response(reply(body, 404)).error == error


@pytest.mark.parametrize("status", [302, 307, 400, 401, 403])
def test_a_success_under_a_status_that_is_none_is_a_doubt(status):
    with pytest.raises(AmbiguousResult):
        parse_response(reply('{"error":0,"data":{"id":"1"}}', status))
    assert parse_response(reply('{"error":-216}', status)).error == -216


def test_too_many_requests_is_the_rate_limit():
    assert parse_response(reply("slow down", 429)).error == -32


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"oaid": "1"}, "1"),
        ({"oa_id": "2"}, "2"),
        ({"oaid": "", "oa_id": 9007199254740993}, "9007199254740993"),
        ({"oaid": None}, ""),
        ({"oaid": True}, ""),
        ({"oaid": False}, ""),
        ({"oaid": False, "oa_id": "2"}, "2"),
        ({"oaid": 1}, "1"),
        ({"oaid": 0}, "0"),
        ({"oaid": 1.5, "oa_id": ["2"]}, ""),
        ([], ""),
        (None, ""),
        ("text", ""),
    ],
)
def test_ids_come_under_several_names_and_types(data, found):
    assert first_text(data, "oaid", "oa_id") == found
    assert ApiResponse(0, "", data).text("oaid", "oa_id") == found


@pytest.mark.parametrize("value", [None, True, "x", "", [], 1.5, float("nan"), float("inf")])
def test_what_is_no_whole_number_is_none(value):
    assert whole_number(value) is None


@pytest.mark.parametrize(
    ("media", "created"),
    [
        ({"create_date": 1_800_000_000_000}, 1_800_000_000),
        ({"create_date": "1800000000000"}, 1_800_000_000),
        ({"created_date": 1_800_000_000}, 1_800_000_000),
        ({"created_date": "soon"}, 0),
        ({}, 0),
    ],
)
def test_a_lists_dates_come_in_seconds_or_milliseconds(media, created):
    assert parse_listed(media).created == created


@pytest.mark.parametrize(
    ("data", "count"),
    [
        ({"medias": [{"id": "1"}, 7]}, 1),
        ([{"id": "1"}], 1),
        ({"medias": []}, 0),
        ([], 0),
        ({"medias": None, "total": 0}, 0),
        ({"total": "0"}, 0),
    ],
)
def test_a_list_may_be_wrapped_or_bare(data, count):
    assert len(article_entries(data)) == count


@pytest.mark.parametrize("data", [None, {}, "", {"medias": None}, {"medias": None, "total": 3}])
def test_an_answer_without_a_list_is_not_an_empty_list(data):
    with pytest.raises(Unreachable):
        article_entries(data)


def test_a_note_survives_its_bytes_and_later_versions():
    note = ArticleRecord(revision=2, marker="loa-x", title="Tết", article_id="a", shown=1)
    assert ArticleRecord.decode(note.encode()) == note
    assert ArticleRecord.decode(b'{"revision": 3, "something_new": 1}') == ArticleRecord(revision=3)
    assert ArticleRecord.decode(b"broken") == ArticleRecord()
