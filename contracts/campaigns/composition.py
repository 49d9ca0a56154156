"""The text of the item that a campaign is: its introduction, and the days of its plan."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from contracts.campaigns.plan import CampaignPlan
from contracts.catalog import load_texts
from contracts.delivery import ChannelName

_TEXTS = Path(__file__).with_name("texts.toml")
PLAN = "campaign_plan"
"""The field of a text that has the plan."""
_BREAK = "\n\n"


def body_of(introduction: str, plan: CampaignPlan) -> str:
    """The introduction and the days, as Markdown."""
    return f"{introduction}{_BREAK}{_days_line(plan)}" if introduction else _days_line(plan)


def introduction_of(data: Mapping[str, Any]) -> str:
    """The body of a campaign's text without the line of days."""
    return _split(data)[0]


def plan_in(data: Mapping[str, Any]) -> CampaignPlan | None:
    """The plan in an item's text; None if the item is no campaign."""
    plan = data.get(PLAN)
    try:
        return CampaignPlan.model_validate(plan) if plan else None
    except ValidationError:
        return None


class NewCampaign(NamedTuple):
    """The fields of a new campaign's item besides its plan."""

    content_id: str
    title: str
    topic: str
    introduction: str


def new_text_of(new: NewCampaign, plan: CampaignPlan) -> dict[str, Any]:
    """The first text of a campaign's item, on the portal alone.

    Who got it as a mail would be told of each correction of the introduction.
    """
    named = {"title": new.title, "topic": new.topic, "channels": [ChannelName.PORTAL.value]}
    return {**named, **fields_of(new.content_id, plan, {}, new.introduction)}


def fields_of(
    content_id: str, plan: CampaignPlan, data: Mapping[str, Any], introduction: str | None = None
) -> dict[str, Any]:
    """The fields of an item's text that a plan and an *introduction* change; None: it stays.

    The line of days follows the plan unless people wrote a body without it.
    """
    before, has_days = _split(data)
    words = before if introduction is None or introduction == before.strip() else introduction
    return {
        "campaign": content_id,
        PLAN: plan.model_dump(mode="json"),
        "body": body_of(words, plan) if has_days else words,
    }


def _split(data: Mapping[str, Any]) -> tuple[str, bool]:
    """The introduction, and whether the line of days is below it, or comes there first of all."""
    body, plan = str(data.get("body") or ""), plan_in(data)
    line = _days_line(plan) if plan else ""
    if line and f"{_BREAK}{body}".endswith(f"{_BREAK}{line}"):
        return body.removesuffix(line).removesuffix(_BREAK), True
    return body, not body


def _days_line(plan: CampaignPlan) -> str:
    return _text("days", first=_day(plan.first_day), last=_day(plan.last_day))


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _text(name: str, /, **values: object) -> str:
    return str(load_texts(_TEXTS)[name]).format(**values)
