"""Rules for an item that joins a campaign: an approved one, on its days, and in its plan."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from consumers.editorial.log import EditorialLog
from consumers.editorial.waiting import read_history
from consumers.messages import field_error
from contracts.campaigns.composition import plan_in
from contracts.campaigns.plan import CampaignPlan
from contracts.content import Submitted
from contracts.desk.editorial import Order
from contracts.desk.shown.text_times import time_of
from contracts.editorial import Action, ActionKind, ItemState, Status
from contracts.errors import Conflict, Invalid
from contracts.text.moments import VIETNAM
from producers.bus import Bus

_DECIDES = frozenset({ActionKind.PROPOSE, ActionKind.APPROVE})
_LEFT = frozenset({Status.WITHDRAWN, Status.REJECTED})
_FIELDS = ("campaign", "campaign_entry")


async def check_joining(log: EditorialLog, order: Order, state: ItemState, now: datetime) -> None:
    """Check the campaign that an order's text names, or else the text that is there.

    A text may be written for a campaign that is not approved yet. What joined before stays, so that
    a correction can come when the campaign is over. Raises Invalid, Conflict.
    """
    before = state.text.data if state.text else {}
    data = {**order.data, "content_id": order.content_id} if order.data else before
    joins = _named(data) != _named(before)
    campaign = data.get("campaign")
    is_own = campaign == data.get("content_id")
    if not isinstance(campaign, str) or is_own or not (joins or order.kind in _DECIDES):
        return
    joined, acts = await log.history(campaign)
    plan = plan_in(joined.text.data) if joined.text else None
    if plan is None or (joined.status in _LEFT and not joined.going_out):
        raise Invalid(field_error("data.campaign", "campaign_unknown", value=campaign))
    if order.kind not in _DECIDES or state.out:
        _check_entry(data, plan)
    else:
        title = str(joined.text.data.get("title") or campaign) if joined.text else campaign
        _check_approved(title, _approved_plan(joined, acts), data, now)


async def needs_decision(bus: Bus, text: Submitted, unit: str, now: datetime) -> bool:
    """Whether a text of a unit's system is released by no rule, so that a person has to decide.

    It has the plan of a campaign, or joins one that is another unit's, or that it may not join now.
    What joined before stays. Raises BusError.
    """
    if text.campaign_plan or text.campaign == text.content_id:
        return True
    if text.campaign is None:
        return False
    data = text.model_dump(mode="json")
    state, acts = await read_history(bus, text.content_id)
    if _named(approved_data(state, acts)) == _named(data):
        return False
    joined, others = await read_history(bus, text.campaign)
    if joined.text is None or joined.text.unit != unit or not joined.going_out:
        return True
    try:
        _check_approved(text.campaign, _approved_plan(joined, others), data, now)
    except (Conflict, Invalid):
        return True
    return False


def _check_approved(
    title: str, plan: CampaignPlan | None, data: Mapping[str, Any], now: datetime
) -> None:
    if plan is None:
        raise Conflict(field_error("data.campaign", "campaign_unapproved", value=title))
    _check_entry(data, plan)
    _check_day(plan, _day(data, now))


def _approved_plan(joined: ItemState, acts: Iterable[Action]) -> CampaignPlan | None:
    """The plan that is out or goes out next; a newer one may wait."""
    return plan_in(approved_data(joined, acts))


def approved_data(joined: ItemState, acts: Iterable[Action]) -> Mapping[str, Any]:
    """The text that is out or goes out next; empty without one."""
    texts = (act.text.data for act in acts if act.text and act.hash == joined.out_hash)
    return next(iter(texts), {})


def _named(data: Mapping[str, Any]) -> list[Any]:
    return [data.get(name) for name in _FIELDS]


def _check_entry(data: Mapping[str, Any], plan: CampaignPlan) -> None:
    entry = data.get("campaign_entry")
    if entry is not None and entry not in plan.numbers:
        raise Invalid(field_error("data.campaign_entry", "campaign_entry_unknown", value=entry))


def _check_day(plan: CampaignPlan, day: date) -> None:
    """Raise Conflict unless the day is one of the campaign's."""
    if not plan.first_day <= day <= plan.last_day:
        days = {"first": f"{plan.first_day:%d/%m/%Y}", "last": f"{plan.last_day:%d/%m/%Y}"}
        raise Conflict(field_error("data.campaign", "campaign_other_days", **days))


def _day(data: Mapping[str, Any], now: datetime) -> date:
    """The day on which readers are to see the text."""
    wanted = time_of(data, "not_before")
    return max(now, wanted or now).astimezone(VIETNAM).date()
