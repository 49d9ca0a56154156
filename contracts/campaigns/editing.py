"""Edits of a plan: each returns the data of another one, and refuses a number that it lacks.

The data may be wrong: `plan_errors` says all that is.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.campaigns.composition import plan_in
from contracts.campaigns.plan import CampaignPlan, PlannedItem
from contracts.errors import NotFound, field_error


def next_number(texts: Iterable[Mapping[str, Any]]) -> int:
    """A number that no planned item has had; *texts*: the data of all that the campaign had.

    An item can name a number that was in one of them alone, so none is given again.
    """
    plans = (plan_in(data) for data in texts)
    return max((number for plan in plans if plan for number in plan.numbers), default=0) + 1


def add_entry(plan: CampaignPlan, number: int, **fields: Any) -> dict[str, Any]:
    """The plan with one more item, under a number of its own."""
    planned = {"number": number, **fields}
    return _with_entries(plan, [*_dumped(plan.entries), planned])


def change_entry(plan: CampaignPlan, number: int, **fields: Any) -> dict[str, Any]:
    """The plan with other fields of one item. Raises NotFound."""
    _require(plan, number)
    entries = [
        {**one, **fields} if one["number"] == number else one for one in _dumped(plan.entries)
    ]
    return _with_entries(plan, entries)


def drop_entry(plan: CampaignPlan, number: int) -> dict[str, Any]:
    """The plan without one item; the others keep their numbers. Raises NotFound."""
    _require(plan, number)
    return _with_entries(plan, _dumped(one for one in plan.entries if one.number != number))


def change(plan: CampaignPlan, **fields: Any) -> dict[str, Any]:
    """The plan with other fields."""
    return {**plan.model_dump(mode="json"), **fields}


def _with_entries(plan: CampaignPlan, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return change(plan, entries=entries)


def _dumped(entries: Iterable[PlannedItem]) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json") for one in entries]


def _require(plan: CampaignPlan, number: int) -> None:
    if number not in plan.numbers:
        raise NotFound(field_error("entry", "campaign_no_entry", value=number))
