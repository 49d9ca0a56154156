"""The first text of the item that a campaign is. It follows the plan until people change it."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from contracts.campaigns.plan import CampaignPlan
from contracts.catalog import load_texts
from contracts.delivery import ChannelName

_TEXTS = Path(__file__).with_name("texts.toml")
PLAN = "campaign_plan"
"""The field of a text that has the plan."""


def body_of(plan: CampaignPlan) -> str:
    """The purpose and the days, as Markdown."""
    first, last = _day(plan.first_day), _day(plan.last_day)
    return f"{plan.purpose}\n\n{_text('days', first=first, last=last)}"


def plan_in(data: Mapping[str, Any]) -> CampaignPlan | None:
    """The plan in an item's text; None if the item is no campaign."""
    plan = data.get(PLAN)
    try:
        return CampaignPlan.model_validate(plan) if plan else None
    except ValidationError:
        return None


def new_text_of(content_id: str, plan: CampaignPlan, title: str, topic: str) -> dict[str, Any]:
    """The first text of a campaign's item, on the portal alone.

    A change of the plan is a correction of the item: who got it as a mail would be told each time.
    """
    named = {"title": title, "topic": topic, "channels": [ChannelName.PORTAL.value]}
    return {**named, **fields_of(content_id, plan, {})}


def fields_of(content_id: str, plan: CampaignPlan, data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an item's text that a new plan changes.

    The body follows unless people wrote one.
    """
    before = plan_in(data)
    body = data.get("body")
    follows = not body or (before is not None and body == body_of(before))
    return {
        "campaign": content_id,
        PLAN: plan.model_dump(mode="json"),
        **({"body": body_of(plan)} if follows else {}),
    }


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _text(name: str, /, **values: object) -> str:
    return str(load_texts(_TEXTS)[name]).format(**values)
