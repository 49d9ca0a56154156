"""Checks of the doors for an item that is a campaign, or that joins one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from pydantic import ValidationError

from contracts.campaigns.composition import PLAN
from contracts.campaigns.plan import MAX_ENTRIES, CampaignPlan
from contracts.errors import MAX_ERRORS, FieldError, explain, field_error, join_path
from contracts.vocabulary import Vocabulary

FIELD = f"data.{PLAN}"
"""The field of a submitted text that has the plan."""


class Joining(Protocol):
    """The fields of a submitted text that are about campaigns."""

    @property
    def content_id(self) -> str: ...
    @property
    def campaign(self) -> str | None: ...
    @property
    def campaign_entry(self) -> int | None: ...
    @property
    def campaign_plan(self) -> CampaignPlan | None: ...


def campaign_errors(content: Joining, vocabulary: Vocabulary) -> Iterator[FieldError]:
    """A campaign is the item of its own name and has a plan; an item names a planned one of it."""
    plan, entry = content.campaign_plan, content.campaign_entry
    is_campaign = content.campaign == content.content_id
    if plan and not is_campaign:
        yield field_error("data.campaign", "campaign_own", value=content.content_id)
    elif is_campaign and plan is None:
        yield field_error("data.campaign_plan", "campaign_no_plan")
    if entry is not None and (content.campaign is None or is_campaign):
        yield field_error("data.campaign_entry", "campaign_none")
    if plan:
        yield from plan_errors(plan.model_dump(mode="json"), vocabulary)


def plan_errors(plan: object, vocabulary: Vocabulary, field: str = FIELD) -> Sequence[FieldError]:
    """Everything that is wrong in a plan as it was written; *field*: the plan's own name."""
    found: tuple[FieldError, ...] = ()
    try:
        CampaignPlan.model_validate(plan, extra="forbid", context={"is_new": True})
    except ValidationError as error:
        found = explain(error, field, CampaignPlan)
    parts = plan if isinstance(plan, Mapping) else {}
    named = {one.field for one in found}
    units = (one for one in _unknown_units(parts, vocabulary, field) if one.field not in named)
    return [_of_entry(one, parts, field) for one in (*found, *units)]


def _unknown_units(
    plan: Mapping[str, Any], vocabulary: Vocabulary, field: str
) -> Iterator[FieldError]:
    """Units have their present ids, or those they had when the plan was made."""
    known = {*vocabulary.units, *vocabulary.aliases}
    for where, unit in _units(plan):
        if isinstance(unit, str) and unit and unit not in known:
            yield vocabulary.word_error(join_path(field, where), "unit", unit)


def _units(plan: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The units of a plan, each with its place."""
    for place, unit in enumerate(_list(plan.get("partners"))[:MAX_ERRORS]):
        yield f"partners.{place}", unit
    for place, one in enumerate(_list(plan.get("entries"))[:MAX_ENTRIES]):
        if isinstance(one, Mapping):
            yield f"entries.{place}.unit", one.get("unit")


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _of_entry(error: FieldError, plan: Mapping[str, Any], field: str) -> FieldError:
    """The error with the number of its planned item, which the place in the list need not be."""
    place, _, part = error.field.removeprefix(f"{field}.entries.").partition(".")
    entries = _list(plan.get("entries"))
    entry = entries[int(place)] if place.isdecimal() and int(place) < len(entries) else None
    number = entry.get("number") if isinstance(entry, Mapping) else None
    if not isinstance(number, int) or part == "number":
        return error
    said = field_error(error.field, "campaign_entry_named", number=number)
    texts = ("message", "message_vi")
    named = {it: _begin(getattr(said, it), getattr(error, it)) for it in texts}
    return error.model_copy(update=named)


def _begin(named: str, said: str) -> str:
    """Text on a planned item, with its name once."""
    return said if named in said else f"{named}: {said}"
