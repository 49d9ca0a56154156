"""Working days of the public sector, as announced year by year."""

from datetime import date

import pytest

from contracts.base.errors import UnknownYear
from contracts.base.working_days import WorkingDays, default_working_days
from contracts.errors import ContractError

DAYS = default_working_days()


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 11, 30), True),
        (date(2026, 11, 28), False),  # a Saturday
        (date(2026, 11, 24), False),  # a holiday on a Tuesday
        (date(2026, 1, 2), False),  # swapped
        (date(2026, 1, 10), True),  # a Saturday on which the swapped day is worked
        (date(2026, 8, 22), True),
        (date(2026, 4, 27), False),  # instead of a holiday on a Sunday
        (date(2027, 2, 10), False),
        (date(2027, 2, 11), True),
    ],
)
def test_offices_work_as_the_government_announced(day, works):
    assert DAYS.is_working(day) is works


def test_working_days_are_counted_over_holidays_and_worked_saturdays():
    assert DAYS.after(date(2026, 1, 1), 1) == date(2026, 1, 5)
    assert DAYS.after(date(2026, 1, 9), 1) == date(2026, 1, 10)
    assert DAYS.after(date(2027, 2, 3), 1) == date(2027, 2, 11)
    assert DAYS.after(date(2026, 12, 31), 1) == date(2027, 1, 4)


def test_a_year_that_is_not_announced_is_said_and_not_guessed():
    last = max(DAYS.years)
    with pytest.raises(UnknownYear) as unknown:
        DAYS.after(date(last, 12, 31), 1)
    assert unknown.value.year == last + 1


def test_every_year_says_who_announced_it_and_every_day_lies_in_its_year():
    for number, year in DAYS.years.items():
        assert year.source
        assert {day.year for day in (*year.off, *year.working)} == {number}
        assert all(day.weekday() >= 5 for day in year.working)
        assert not year.off.keys() & year.working.keys()
    assert DAYS.version


def test_a_ministrys_own_file_is_read_alike():
    own = WorkingDays.parse(
        'version = "1"\n[2030]\nsource = "Thông báo"\n[2030.off]\n2030-01-01 = "Tết Dương lịch"\n'
    )
    assert own.after(date(2030, 1, 1), 1) == date(2030, 1, 2)
    assert own.name_of(date(2030, 1, 1)) == "Tết Dương lịch"


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("[2030", "working_days.toml"),
        ('[2030]\nsource = "x"', "working_days.toml.version"),
        ('version = "1"\n[2030]\n[2030.off]', "working_days.toml.2030.source"),
        ('version = "1"\n[2030]\nsource = "x"\nof = {}', "working_days.toml.2030.of"),
        ('version = "1"\n[2030]\nsource = "x"\n[2030.off]\n2030-02-30 = "x"', ".2030-02-30"),
        ('version = "1"\n[2030]\nsource = "x"\n[2030.off]\n2031-01-01 = "x"', ".off.2031-01-01"),
        ('version = "1"\n[2030]\nsource = "x"\n[2030.working]\n2030-01-01 = "x"', ".working.2030-"),
        ('version = "1"\n[next]\nsource = "x"', "working_days.toml.next"),
    ],
)
def test_a_broken_file_is_refused_by_file_and_entry(written, place):
    with pytest.raises(ContractError) as refused:
        WorkingDays.parse(written)
    [error] = refused.value.errors
    assert error.field.startswith("working_days.toml") and place in error.field
