"""Dates as sites write them: many forms, wrong zones, and never in the future."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.imports.parse.dates import parse_published

NOW = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)  # 17:30 in Vietnam


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("Thu, 26 Nov 2026 10:18:00 GMT", "2026-11-26T10:18"),
        ("Thu, 26 Nov 2026 17:18:00 +0700", "2026-11-26T10:18"),
        ("26 Nov 26 17:18 +0700", "2026-11-26T10:18"),
        ("2026-11-26T17:18:00+07:00", "2026-11-26T10:18"),
        ("2026-11-26T10:18:00Z", "2026-11-26T10:18"),
        ("2026-11-26T17:18:00", "2026-11-26T10:18"),
        ("2026-11-26", "2026-11-25T17:00"),
        ("10/06/2020 17:18", "2020-06-10T10:18"),
        ("17:18 10/06/2020 | Lượt xem : 15846", "2020-06-10T10:18"),
        ("26/11/2026 5:18:00 CH", "2026-11-26T10:18"),
        ("25/11/2026 12:05 SA", "2026-11-24T17:05"),
        ("11/26/2026 5:18:00 PM", "2026-11-26T10:18"),
        ("Thu, 26 Nov 2026 17:18:00", "2026-11-26T10:18"),
        ("Thu, 26 Nov 2026 17:18:00 GMT", "2026-11-26T10:18"),  # local time that says GMT
        ("2026-12-24T08:00:00+07:00", f"{NOW:%Y-%m-%dT%H:%M}"),  # ahead in any case
    ],
)
def test_forms_that_are_read(written, at):
    assert f"{parse_published(written, NOW).at:%Y-%m-%dT%H:%M}" == at


def test_the_day_is_told_as_written_and_as_it_is_here():
    for written, days in [
        ("Wed, 25 Nov 2026 18:30:00 GMT", {"2026-11-25", "2026-11-26"}),
        ("10/06/2020 17:18", {"2020-06-10"}),
    ]:
        assert parse_published(written, NOW).days == days


@pytest.mark.parametrize(
    "written",
    ["", "hôm qua", "32/01/2026", "2026-13-01", "0001-01-01", "99/99/9999", "Mon, 1 Jan 9999999",
     "2026-11-26T10:00:00+23:59", "Thu, 26 Nov 2026 25:61:00 GMT", "1", "9" * 200],
)  # fmt: skip
def test_what_is_no_date_is_none(written):
    assert parse_published(written, NOW) == parse_published("", NOW)


@given(st.text(max_size=40) | st.from_regex(r"\d{1,4}[-/ ]\d{1,2}[-/ ]\d{1,4}.{0,12}"))
def test_no_text_breaks_it_and_nothing_comes_from_the_future(written):
    found = parse_published(written, NOW)
    assert (found.at is None) == (not found.days)
    assert found.at is None or found.at <= NOW
