"""Times that an operator gives: read as the lists show them."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.cli.filters import check_unit, parse_time, require_time
from contracts import subjects
from contracts.errors import Invalid
from contracts.text.moments import format_for_people


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-25", datetime(2026, 11, 24, 17, tzinfo=UTC)),
        ("2026-11-25T08:00", datetime(2026, 11, 25, 1, tzinfo=UTC)),
        ("2026-11-25T08:00Z", datetime(2026, 11, 25, 8, tzinfo=UTC)),
        ("2026-11-25 08:00:00+07:00", datetime(2026, 11, 25, 1, tzinfo=UTC)),
    ],
)
def test_a_time_without_an_offset_is_vietnams(text, utc):
    assert parse_time("since", text) == require_time("since", text) == utc


def test_a_time_is_taken_as_a_list_shows_it():
    moment = datetime(2026, 11, 25, 1, 2, 3, tzinfo=UTC)
    assert parse_time("since", format_for_people(moment)) == moment


def test_a_span_is_before_now_and_nothing_is_no_limit():
    assert abs(datetime.now(UTC) - timedelta(hours=12) - parse_time("since", "12h")) < timedelta(1)
    assert parse_time("until", "") is None
    with pytest.raises(Invalid):
        parse_time("since", "hôm qua")


async def test_a_registered_unit_that_left_the_vocabulary_is_known_and_no_other(bus):
    await bus.bucket(subjects.UNITS.name).put("vu-da-giai-the", b"{}")
    await check_unit(bus, "vu-da-giai-the")
    with pytest.raises(Invalid, match="vu-da-giai-the"):
        await check_unit(bus, "vu-da-giai-th")
