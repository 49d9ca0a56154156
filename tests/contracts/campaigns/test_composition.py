"""The body of a campaign's text: its introduction with the line of days, and nothing else."""

import pytest

from contracts.campaigns.composition import body_of, fields_of, introduction_of, plan_in
from tests.support.campaigns import CAMPAIGN, INTRODUCTION, PLAN, a_plan, campaign_data

OWN = "Người dân hỏi, Bộ trả lời."
LONGER = a_plan(last_day="2027-02-28")


def changed(data, plan, introduction=None):
    return {**data, **fields_of(CAMPAIGN, plan, data, introduction)}


def test_the_introduction_and_the_days_are_public_and_the_purpose_is_not():
    body = campaign_data()["body"]
    assert body.startswith(INTRODUCTION)
    assert "31/01/2027" in body
    assert PLAN["purpose"] not in body
    assert introduction_of(campaign_data()) == INTRODUCTION


def test_another_purpose_target_or_planned_item_leaves_the_body():
    for changes in ({"purpose": "Khác."}, {"targets": []}, {"entries": []}, {"partners": []}):
        data = changed(campaign_data(), a_plan(**changes), INTRODUCTION)
        assert data["body"] == campaign_data()["body"]
        assert plan_in(data) == a_plan(**changes)


def test_the_line_of_days_follows_the_plan():
    data = changed(campaign_data(), LONGER)
    assert data["body"] == body_of(INTRODUCTION, LONGER)
    assert changed(data, LONGER, OWN)["body"] == body_of(OWN, LONGER)


@pytest.mark.parametrize("written", [OWN, f"{OWN}\n", f"\n{OWN}\n\n- một\n"])
def test_a_body_that_people_wrote_stays_until_they_change_it(written):
    data = campaign_data(body=written)
    for introduction in (None, written.strip()):
        assert changed(data, LONGER, introduction)["body"] == written
    assert changed(data, LONGER, "Khác.")["body"] == "Khác."


def test_what_an_earlier_version_published_of_a_purpose_is_the_introduction():
    before = campaign_data(body=body_of(PLAN["purpose"], a_plan()))
    assert introduction_of(before) == PLAN["purpose"]
    after = changed(before, a_plan(purpose="Nội bộ."), PLAN["purpose"])
    assert after["body"] == before["body"]
