"""A campaign and its items as events: what the doors take, and what never leaves the house."""

import pytest

from contracts import events
from contracts.campaigns import editing
from contracts.campaigns.plan import CampaignPlan
from contracts.content import Submitted
from contracts.errors import Invalid
from contracts.publication import Publication, decode, encode
from contracts.vocabulary import DEFAULT
from tests.support.campaigns import CAMPAIGN, PLAN, a_plan, campaign_data
from tests.support.minimal_event import MINIMAL, error_fields, submitted
from tests.support.publications import a_publication


def test_a_campaign_passes_the_door_with_its_plan():
    found = events.check(submitted(**campaign_data()), DEFAULT)
    assert (found.campaign, found.campaign_plan) == (CAMPAIGN, a_plan())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"campaign": "chuyen-de-khac"}, "data.campaign"),
        ({"campaign": None}, "data.campaign"),
        ({"campaign_plan": None}, "data.campaign_plan"),
        ({"campaign_entry": 1}, "data.campaign_entry"),
    ],
)
def test_a_campaign_that_does_not_fit_is_refused_by_name(changes, field):
    assert list(error_fields(submitted(**campaign_data(**changes)))) == [field]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"first_day": "01/12/2026"}, "first_day"),
        ({"last_day": "2026-11-30"}, "first_day"),
        ({"purpose": ""}, "purpose"),
        ({"partners": ["don-vi-la"]}, "partners.0"),
        ({"partners": ["van-phong-bo", "van-phong-bo"]}, "partners"),
        ({"entries": [{**PLAN["entries"][0], "day": "2027-06-01"}]}, "entries.0.day"),
        ({"entries": [{**PLAN["entries"][0], "unit": "don-vi-la"}]}, "entries.0.unit"),
        ({"entries": PLAN["entries"][:1] * 2}, "entries.1.number"),
        ({"targets": [{"metric": "items", "number": 0}]}, "targets.0.number"),
        ({"targets": [{"metric": "items", "number": 1}] * 2}, "targets.1.metric"),
    ],
)
def test_a_wrong_part_of_a_plan_is_named(changes, field):
    found = list(error_fields(submitted(**campaign_data(campaign_plan={**PLAN, **changes}))))
    assert found == [f"data.campaign_plan.{field}".rstrip(".")]


def test_all_mistakes_of_a_plan_are_named_at_once_with_the_number_of_the_planned_item():
    first = {**PLAN["entries"][0], "number": 7}
    entries = [first, {**first, "day": "2029-01-01", "unit": "don-vi-la"}, {**first, "tite": "x"}]
    plan = {**PLAN, "purpose": "", "partners": ["don-vi-la"], "entries": entries}
    found = events_errors(plan)
    assert {*found} == {
        f"data.campaign_plan.{one}"
        for one in (
            *("purpose", "partners.0", "entries.1.number", "entries.1.day", "entries.1.unit"),
            *("entries.2.number", "entries.2.tite"),
        )
    }
    unit, day = (found[f"data.campaign_plan.entries.1.{one}"] for one in ("unit", "day"))
    assert unit.message.startswith("the planned item 7: don-vi-la")
    assert unit.message_vi.startswith("tin dự kiến số 7: don-vi-la")
    assert day.message.count("the planned item 7") == 1


def events_errors(plan: dict) -> dict:
    with pytest.raises(Invalid) as refused:
        events.check(submitted(**campaign_data(campaign_plan=plan)), DEFAULT)
    return {one.field: one for one in refused.value.errors}


def test_an_item_joins_a_campaign_as_one_that_is_planned_there():
    joined = {"campaign": CAMPAIGN, "campaign_entry": 2}
    assert events.check(submitted(**joined), DEFAULT).campaign_entry == 2
    assert list(error_fields(submitted(campaign_entry=2))) == ["data.campaign_entry"]


def test_what_is_released_names_the_campaign_and_has_nothing_of_its_plan():
    text = Submitted.model_validate(campaign_data())
    shown = a_publication(campaign=CAMPAIGN).model_dump()
    released = Publication.model_validate({**shown, **text.model_dump()})
    assert decode(encode(released)).campaign == CAMPAIGN
    for inside in (b"campaign_plan", b"campaign_entry", PLAN["targets"][0]["metric"].encode()):
        assert inside not in encode(released)


def test_one_without_a_campaign_has_the_bytes_that_it_had():
    assert b"campaign" not in encode(a_publication())
    assert "campaign" not in Submitted.model_validate(MINIMAL).model_dump_json()


def test_planned_items_keep_their_numbers_when_others_are_dropped():
    plan = CampaignPlan.model_validate(editing.drop_entry(a_plan(), 1))
    added = editing.add_entry(plan, 4, title="Tin kết thúc", day="2027-01-30")
    more = CampaignPlan.model_validate(added)
    assert [one.number for one in more.entries] == [2, 3, 4]
    moved = editing.change_entry(more, 2, day="2026-12-20")
    assert moved["entries"][0]["day"] == "2026-12-20"
