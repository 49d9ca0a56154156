"""Checks of the doors for an item that is a campaign, or that joins one."""

from collections.abc import Iterator
from typing import Protocol

from contracts.campaigns.plan import CampaignPlan
from contracts.errors import FieldError, field_error
from contracts.vocabulary import Vocabulary


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
        yield from _unknown_units(plan, vocabulary)


def _unknown_units(plan: CampaignPlan, vocabulary: Vocabulary) -> Iterator[FieldError]:
    """Units have their present ids, or those they had when the plan was made."""
    known = {*vocabulary.units, *vocabulary.aliases}
    for number, unit in enumerate(plan.partners):
        if unit not in known:
            field = f"data.campaign_plan.partners.{number}"
            yield vocabulary.word_error(field, "unit", unit)
    for number, one in enumerate(plan.entries):
        if one.unit and one.unit not in known:
            field = f"data.campaign_plan.entries.{number}.unit"
            yield vocabulary.word_error(field, "unit", one.unit)
