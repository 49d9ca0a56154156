"""Parsing of search queries: accepted values, and refusals that name the field."""

from datetime import date, datetime

import pytest

from channels.portal.errors import InvalidQuery
from channels.portal.search.query import SearchQuery, parse_query
from contracts.base.times import VIETNAM


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("q", "a " * 13),
        ("q", "a" * 201),
        ("tu", "2026-13-01"),
        ("den", "hôm qua"),
        ("den", "31/12/9999"),
        ("tu", "0001-01-01"),
        ("trang", "00021"),
        ("trang", "0"),
        ("trang", "1" * 10),
        ("q", "*"),
        ("q", "_ %"),
        ("tu", "31-02-2026"),
        ("den", "27-11.2026"),
        ("den", "2026/11/27"),
        ("doi-tuong", "*"),
        ("trang", "-1"),
        ("chu-de", "../x"),
        ("don-vi", 'a" OR "b'),
    ],
)
def test_a_field_that_can_not_be_read_is_named(field, value):
    with pytest.raises(InvalidQuery, match=f"^{field}$"):
        parse_query({field: value})


@pytest.mark.parametrize("text", ["27/11/2026", "27-11-2026", "27.11.2026", "2026-11-27"])
def test_a_day_may_be_written_in_each_usual_way(text):
    assert parse_query({"tu": text, "den": text}).since == date(2026, 11, 27)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"q": "a " * 13}, "long"),
        ({"q": "*"}, "empty"),
        ({"tu": "x"}, "day"),
        ({"tu": "28/11/2026", "den": "27/11/2026"}, "order"),
        ({"chu-de": "zzz"}, "unknown"),
        ({"trang": "0"}, "page"),
    ],
)
def test_why_a_field_can_not_be_read_is_told(asked, reason):
    with pytest.raises(InvalidQuery) as unclear:
        parse_query(asked, {"chu-de": {"t": "t"}})
    assert unclear.value.reason == reason


def test_an_id_is_read_as_the_catalogue_has_it():
    known = {"don-vi": {"cu": "moi", "moi": "moi"}}
    assert (
        parse_query({"don-vi": "cu"}, known).unit
        == parse_query({"don-vi": "moi"}, known).unit
        == "moi"
    )
    assert parse_query({"don-vi": "", "chu-de": "bat-ky"}, known).topic == "bat-ky"


def test_days_are_those_of_vietnam():
    first, last = SearchQuery(since=date(2026, 11, 3), until=date(2026, 11, 3)).span_us
    begin = datetime(2026, 11, 3, tzinfo=VIETNAM).timestamp()
    assert first == begin * 1e6
    assert last == (begin + 86400) * 1e6 - 1
