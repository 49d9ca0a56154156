"""Parsing of search queries: accepted values, and refusals that name the field."""

from datetime import date, datetime

import pytest

from channels.portal.errors import InvalidQuery
from channels.portal.search.query import SearchQuery, parse_query
from contracts.text.moments import VIETNAM


@pytest.mark.parametrize(
    ("field", "reason", "values"),
    [
        ("q", "long", ["a " * 13, "a" * 201]),
        ("q", "empty", ["*", "_ %"]),
        ("tu", "day", ["2026-13-01", "0001-01-01", "31-02-2026", "x"]),
        ("den", "day", ["hôm qua", "31/12/9999", "27-11.2026", "2026/11/27"]),
        ("trang", "page", ["00021", "0", "1" * 10, "-1"]),
        ("doi-tuong", "unknown", ["*"]),
        ("chu-de", "unknown", ["../x", "zzz"]),
        ("don-vi", "unknown", ['a" OR "b']),
    ],
)
def test_a_field_that_can_not_be_read_is_named_with_the_reason(field, reason, values):
    for value in values:
        with pytest.raises(InvalidQuery, match=f"^{field}$") as unclear:
            parse_query({field: value}, {"chu-de": {"t": "t"}})
        assert unclear.value.reason == reason


def test_the_last_day_is_not_before_the_first():
    with pytest.raises(InvalidQuery, match=r"^tu$") as unclear:
        parse_query({"tu": "28/11/2026", "den": "27/11/2026"})
    assert unclear.value.reason == "order"


@pytest.mark.parametrize("text", ["27/11/2026", "27-11-2026", "27.11.2026", "2026-11-27"])
def test_a_day_may_be_written_in_each_usual_way(text):
    assert parse_query({"tu": text, "den": text}).since == date(2026, 11, 27)


def test_an_id_is_read_as_the_catalogue_has_it():
    known = {"don-vi": {"cu": "moi", "moi": "moi"}}
    units = {parse_query({"don-vi": id}, known).unit for id in ("cu", "moi")}
    assert units == {"moi"}
    assert parse_query({"don-vi": "", "chu-de": "bat-ky"}, known).topic == "bat-ky"


def test_days_are_those_of_vietnam():
    first, last = SearchQuery(since=date(2026, 11, 3), until=date(2026, 11, 3)).span_us
    begin = datetime(2026, 11, 3, tzinfo=VIETNAM).timestamp()
    assert first == begin * 1e6
    assert last == (begin + 86400) * 1e6 - 1
