"""Deadlines of the desk's steps."""

from datetime import datetime

import pytest

from contracts.desk.deadlines import Deadlines, Step, default_deadlines, step_of
from contracts.editorial import ItemState, Status
from contracts.errors import ContractError
from contracts.text.moments import VIETNAM

DEADLINES = default_deadlines()


def vietnam(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)


@pytest.mark.parametrize(
    ("step", "began", "lane", "ends"),
    [
        (Step.CONFIRM, "2026-11-30 08:00", "normal", "2026-12-01 17:00"),
        (Step.EDIT, "2026-12-04 22:00", "bulk", "2026-12-07 17:00"),
        (Step.APPROVE, "2026-11-23 09:00", "normal", "2026-11-26 17:00"),  # over a holiday
        (Step.APPROVE, "2026-12-31 09:00", "normal", "2027-01-05 17:00"),
        (Step.CONFIRM, "2026-11-28 23:40", "urgent", "2026-11-29 00:10"),
        (Step.EDIT, "2026-11-28 23:40", "urgent", "2026-11-29 00:40"),
    ],
)
def test_a_step_ends_with_office_hours_of_its_last_working_day_or_in_minutes(
    step, began, lane, ends
):
    assert DEADLINES.deadline(step, vietnam(began), lane).at == vietnam(ends)


def test_without_the_days_of_a_year_there_is_no_deadline_and_the_year_is_said():
    last = max(DEADLINES.days.years)
    found = DEADLINES.deadline(Step.APPROVE, vietnam(f"{last}-12-31 09:00"), "normal")
    assert found == (None, last + 1)


@pytest.mark.parametrize(
    ("status", "unit_checker", "step"),
    [
        (Status.SUBMITTED, "", Step.CONFIRM),
        (Status.SUBMITTED, "vu-cchc", Step.EDIT),  # a unit's system confirms what it sends
        (Status.UNIT_CONFIRMED, "nv-an", Step.EDIT),
        (Status.IN_EDIT, "nv-an", Step.EDIT),
        (Status.PENDING_APPROVAL, "nv-an", Step.APPROVE),
        (Status.PUBLISHED, "nv-an", None),
        (None, "", None),
    ],
)
def test_a_text_waits_for_one_step(status, unit_checker, step):
    assert step_of(ItemState(status=status, unit_checker=unit_checker)) is step


OWN = """
office_ends = 16:30:00
working_days = {confirm = 2, edit = 3, approve = 4}
urgent_minutes = {confirm = 5, edit = 5, approve = 5}
"""


def test_a_ministrys_own_deadlines_are_kept():
    own = Deadlines.parse(OWN, DEADLINES.days)
    assert own.deadline(Step.CONFIRM, vietnam("2026-11-30 08:00"), "normal").at == vietnam(
        "2026-12-02 16:30"
    )
    assert own.version != DEADLINES.version, "the index is made anew"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("office_ends = 16:30:00", "office_ends = ", "deadlines.toml"),
        ("office_ends = 16:30:00", "", "deadlines.toml.office_ends"),
        ("edit = 3, ", "", "deadlines.toml.working_days.edit"),
        ("edit = 3", "edit = 0", "deadlines.toml.working_days.edit"),
        ("{confirm = 5", "{confirms = 1, confirm = 5", "deadlines.toml.urgent_minutes.confirms"),
    ],
)
def test_a_broken_file_is_refused_by_file_and_entry(old, new, place):
    with pytest.raises(ContractError) as refused:
        Deadlines.parse(OWN.replace(old, new), DEADLINES.days)
    assert [error.field for error in refused.value.errors] == [place]
