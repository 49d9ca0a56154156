"""Seven whole working days lie between an announcement and the interruption that it is about."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base.working_days import WorkingDays, Year, default_working_days
from contracts.content import Submitted
from contracts.errors import Invalid
from contracts.interruptions.known import KnownInterruption
from contracts.interruptions.notice_period import (
    Notice,
    check_announced,
    earliest_begin,
    find_lateness,
    is_in_time,
    judge,
)
from contracts.testing import sample
from contracts.text.moments import VIETNAM
from tests.support.interruptions import an_interruption

DAYS = default_working_days()
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
FORCE = "Bão số 9 đổ bộ sớm hơn dự báo"


def at(day: date, hour: int = 9) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=VIETNAM)


def a_text(begins: datetime, **changes) -> Submitted:
    data = sample(interruption=an_interruption(begins, **changes))["data"]
    return Submitted.model_validate(data)


@pytest.mark.parametrize(
    ("announced", "earliest"),
    [
        (date(2026, 11, 30), date(2026, 12, 10)),  # a Monday; one weekend
        (date(2026, 12, 4), date(2026, 12, 16)),  # a Friday; the last day is a Tuesday
        (date(2026, 12, 5), date(2026, 12, 16)),  # a Saturday counts as little as its Friday
        (date(2026, 11, 20), date(2026, 12, 3)),  # over the day of culture, a Tuesday
        (date(2027, 1, 27), date(2027, 2, 13)),  # over Tết: 5 days before, 2 after it
        (date(2027, 2, 3), date(2027, 2, 20)),  # the day before Tết
        (date(2026, 12, 25), date(2027, 1, 7)),  # over the new year
        (date(2025, 12, 31), date(2026, 1, 13)),  # a Saturday on which a swapped day is worked
        (date(2026, 8, 14), date(2026, 8, 25)),  # the worked Saturday before the National Day
    ],
)
def test_weekends_holidays_and_worked_saturdays_count_as_they_are(announced, earliest):
    assert earliest_begin(at(announced), DAYS) == earliest
    for hour in (0, 23):
        assert is_in_time(at(announced, hour), at(earliest, 0), DAYS)
        assert not is_in_time(at(announced, hour), at(earliest, 0) - MINUTE, DAYS)


def test_days_are_those_of_vietnam():
    evening_in_utc = datetime.fromisoformat("2026-11-30T18:00:00+00:00")  # 1 December, 01:00
    assert earliest_begin(evening_in_utc, DAYS) == date(2026, 12, 11)


@st.composite
def calendars(draw) -> WorkingDays:
    """Any calendar of two years: days off, and worked weekend days."""
    first = date(2030, 1, 1)
    every = st.integers(0, 729).map(lambda number: first + number * DAY)
    off = draw(st.lists(every, max_size=120))
    worked = [one for one in draw(st.lists(every, max_size=60)) if one.weekday() > 4]
    years = {
        number: Year(
            "x",
            {day: "nghỉ" for day in off if day.year == number},
            {day: "làm bù" for day in worked if day.year == number},
        )
        for number in (2030, 2031)
    }
    return WorkingDays("1", years)


@given(
    calendars(), st.integers(0, 300), st.integers(-5, 60), st.integers(0, 23), st.integers(0, 23)
)
def test_a_begin_is_in_time_where_seven_days_of_the_calendar_lie_between(
    days, announced, ahead, hour, other
):
    told = date(2030, 1, 1) + announced * DAY
    begins = told + ahead * DAY
    between = [told + n * DAY for n in range(1, max(ahead, 0)) if days.is_working(told + n * DAY)]
    is_lawful = is_in_time(at(told, hour), at(begins, other), days)
    assert is_lawful == (len(between) >= 7)
    assert is_lawful == (begins >= earliest_begin(at(told, hour), days))


def test_the_error_names_the_earliest_day_in_both_languages():
    late = find_lateness(at(date(2026, 12, 9), 22), at(date(2026, 11, 30)), DAYS)
    assert late.field == "data.interruption.begins_at"
    for said in (late.message, late.message_vi):
        assert "10/12/2026" in said and "30/11/2026" in said and "224/2026" in said
    assert find_lateness(at(date(2026, 12, 10), 0), at(date(2026, 11, 30)), DAYS) is None


def test_a_year_that_is_not_known_is_named_only_where_it_counts():
    told = at(date(2027, 12, 27))
    assert "2028" in find_lateness(at(date(2028, 1, 20)), told, DAYS).message
    assert "2028" in find_lateness(at(date(2027, 12, 30)), told, DAYS).message_vi
    assert find_lateness(at(date(2029, 1, 20)), at(date(2027, 12, 1)), DAYS) is None


def test_force_majeure_excuses_a_late_announcement_and_is_told_from_one_in_time():
    told, begins = at(date(2026, 11, 30)), at(date(2026, 12, 1))
    with pytest.raises(Invalid):
        check_announced(a_text(begins), told, DAYS)
    check_announced(a_text(begins, force_majeure=FORCE), told, DAYS)
    lawful = at(date(2026, 12, 10))
    pairs = [(lawful, True), (lawful, False), (begins, True), (begins, False)]
    kinds = [judge(one, told, DAYS, is_force_majeure=force) for one, force in pairs]
    assert kinds == [*[Notice.IN_TIME] * 2, Notice.FORCE_MAJEURE, Notice.LATE]


def test_a_text_counts_from_the_time_at_which_readers_have_it():
    told, begins = at(date(2026, 11, 30)), at(date(2026, 12, 10))
    planned = sample(interruption=an_interruption(begins), not_before="2026-12-01T08:00:00+07:00")
    check_announced(a_text(begins), told, DAYS)
    with pytest.raises(Invalid) as late:
        check_announced(Submitted.model_validate(planned["data"]), told, DAYS)
    assert "01/12/2026" in str(late.value)


def test_what_readers_know_needs_no_new_period_and_a_new_time_does():
    begins = at(date(2026, 12, 10), 22)
    known = KnownInterruption.of(a_text(begins).interruption)
    after = begins + timedelta(hours=2)
    resumed = a_text(begins, resumed_at=after.isoformat())
    check_announced(resumed, after, DAYS, known)
    moved = a_text(begins + DAY)
    with pytest.raises(Invalid):
        check_announced(moved, begins - DAY, DAYS, known)
    check_announced(moved, at(date(2026, 12, 1)), DAYS, known)


def test_services_have_not_resumed_at_a_time_ahead():
    begins = at(date(2026, 12, 10), 22)
    text = a_text(begins, resumed_at=(begins + DAY).isoformat())
    with pytest.raises(Invalid) as ahead:
        check_announced(text, begins, DAYS, KnownInterruption.of(text.interruption))
    assert ahead.value.errors[0].field == "data.interruption.resumed_at"
