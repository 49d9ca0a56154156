"""Edits of a plan: a number is given once, also where its planned item was dropped."""

from datetime import date

from contracts.campaigns.composition import PLAN
from contracts.campaigns.editing import add_entry, drop_entry, next_number
from contracts.campaigns.plan import CampaignPlan
from contracts.campaigns.progress import EntryState, progress_of
from tests.support.campaigns import a_joined_item, a_plan


def texts_of(*plans: CampaignPlan):
    return [{PLAN: plan.model_dump(mode="json")} for plan in plans]


def test_the_number_of_the_newest_planned_item_is_not_given_again_once_that_is_dropped():
    first = a_plan()
    dropped = CampaignPlan.model_validate(drop_entry(first, 3))
    number = next_number(texts_of(first, dropped))
    added = add_entry(dropped, number, title="Phỏng vấn", day="2027-01-20")
    planned = CampaignPlan.model_validate(added)
    assert number == 4
    joined = a_joined_item("y-kien", 3, "2027-01-14")
    found = progress_of(planned, [joined], date(2027, 1, 15), lambda _: True)
    assert found.entries[-1].planned.number == 4
    assert found.entries[-1].state is EntryState.PLANNED
    assert found.additional == (joined,)


def test_the_first_number_is_one_also_after_texts_without_a_plan():
    assert next_number([]) == next_number([{}, {PLAN: {"entries": "?"}}]) == 1
