"""The page of all campaigns, the proposal of one, and its plan beside what is done."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from starlette.responses import Response

from contracts import text
from contracts.campaigns import composition, editing
from contracts.campaigns.plan import TOPIC, CampaignPlan
from contracts.campaigns.reported import Campaign, ReportedCampaign
from contracts.delivery import ChannelName
from contracts.desk.campaigns import (
    CAMPAIGNS,
    CountedRow,
    JoinedRows,
    count_campaign,
    counted_rows,
    joined_rows,
)
from contracts.desk.editorial import ItemView, NewItem, Order
from contracts.desk.index import ItemRow, all_rows
from contracts.desk.shown.internal_change import is_internal_change
from contracts.editorial import ActionKind, Status
from contracts.errors import (
    BegunBefore,
    Conflict,
    ContractError,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
    field_error,
)
from contracts.facts.campaign_targets import facts_wanted, reached_targets
from contracts.facts.live_reports import ItemFigures
from producers.desk.campaigns.plan_form import (
    INTRODUCTION,
    METRICS,
    PlanForm,
    as_in_plan_form,
    plan_errors,
    read_lines,
    read_plan,
)
from producers.desk.items.pages import act_id, find_item, item_path, new_act_id
from producers.desk.rendering import desk_texts, redirect
from producers.desk.visit import Visit

_NAME_LENGTH = 54
_MEDIA_TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pdf": "application/pdf",
}
_NEW = "/chuyen-de/de-xuat"


def _campaign_path(content_id: str) -> str:
    return item_path(content_id, "/chuyen-de")


async def show_campaigns(visit: Visit) -> Response:
    """Every campaign that the person may read, with how much of its plan is done."""
    index = visit.desk.services.index
    wanted = replace(visit.editorial.readable, is_campaign=True, limit=CAMPAIGNS.limit)
    rows = await all_rows(index, wanted)
    shown = sorted(await counted_rows(index, rows, visit.now), key=_newest_first, reverse=True)
    facts: dict[str, Any] = {"may_propose": bool(visit.editorial.writable_units())}
    facts["status_words"] = _status_words
    return visit.page("campaigns.html", campaigns=shown, **facts)


def _newest_first(one: CountedRow) -> tuple[date, str]:
    return one.campaign.plan.first_day, one.row.content_id


def _status_words(one: ItemRow | ItemView) -> str:
    """The state of a campaign: of one that is out that it is, beside that of a changed plan."""
    names = desk_texts()["item"]["status_names"]
    status = str(names.get(one.status, ""))
    if not one.out or one.out == one.revision:
        return status
    changed = str(desk_texts()["campaign"]["changed_plan"])
    return changed.format(names[Status.PUBLISHED], status.lower())


async def _counted(visit: Visit, item: ItemView) -> ReportedCampaign:
    """The campaign that an item is. Raises NotFound for another item."""
    approved = item.texts.get(item.out_hash, {})
    found = Campaign.of(item.content_id, item.unit, approved, item.data)
    if found is None:
        raise NotFound(field_error("content_id", "missing"))
    readable = visit.editorial.readable
    return _count(
        visit, found, await joined_rows(visit.desk.services.index, item.content_id, readable)
    )


def _count(visit: Visit, campaign: Campaign, joined: JoinedRows) -> ReportedCampaign:
    is_working = visit.desk.services.working_days.is_working
    return count_campaign(campaign, joined, visit.now, is_working)


async def show_proposal(visit: Visit) -> Response:
    return visit.page("campaign_new.html", **_new_values(visit, {}))


async def propose(visit: Visit) -> Response:
    """Begin a campaign. A second press of the button is the same campaign."""
    data = read_plan(visit.form)
    try:
        new = _proposed(visit, data)
        await visit.editorial.begin(new)
    except BegunBefore as before:
        return redirect(_campaign_path(before.content_id))
    except (Invalid, Conflict, Forbidden) as refused:
        values = _new_values(visit, data)
        return visit.refused_page("campaign_new.html", _named(refused, data), **values)
    return redirect(_campaign_path(new.content_id))


def _proposed(visit: Visit, data: Mapping[str, Any]) -> NewItem:
    """The campaign of the form. Raises Invalid with everything that is wrong."""
    knows_topic = visit.desk.services.vocabulary.knows("topic", TOPIC)
    needed = ["unit", "title", *([] if knows_topic else ["topic"]), INTRODUCTION]
    wrong = [*_missing(visit, needed), *_wrong_name(visit), *plan_errors(data)]
    if wrong:
        raise Invalid(*wrong)
    name, plan = _name(visit), CampaignPlan.model_validate(data)
    topic = TOPIC if knows_topic else visit.value("topic")
    introduction = read_lines(visit.form, INTRODUCTION)
    new = composition.NewCampaign(name, visit.value("title"), topic, introduction)
    fields = composition.new_text_of(new, plan)
    return NewItem(visit.value("unit"), act_id(visit), fields, name)


def _missing(visit: Visit, names: Iterable[str]) -> Iterator[FieldError]:
    return (field_error(name, "missing") for name in names if not visit.value(name).strip())


def _name(visit: Visit) -> str:
    """The campaign's address: what was typed, else made of the title."""
    made = text.slug(visit.value("title"))[:_NAME_LENGTH].strip("-")
    return visit.value("slug").strip() or made


def _wrong_name(visit: Visit) -> Iterator[FieldError]:
    """Why there is no such address; a title that is missing is named by itself."""
    name = _name(visit)
    if name and (name != text.slug(name) or len(name) > _NAME_LENGTH):
        yield field_error("slug", "not_slug", value=name)
    elif not name and visit.value("title").strip():
        yield field_error("slug", "missing")


def _new_values(visit: Visit, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "plan": _typed(visit, data),
        "units": {one: visit.unit_name(one) for one in visit.editorial.writable_units()},
        "path": _NEW,
        "act_id": visit.value("act_id") or new_act_id(),
        **_choices(visit),
    }


def _typed(visit: Visit, data: Mapping[str, Any]) -> PlanForm:
    return PlanForm(data, read_lines(visit.form, INTRODUCTION))


def _choices(visit: Visit) -> dict[str, Any]:
    return {
        "metrics": METRICS,
        "all_units": dict(visit.desk.services.unit_names),
        "channels": tuple(ChannelName),
    }


def _named(refused: ContractError, data: Mapping[str, Any]) -> ContractError:
    """The error with the names of the form's fields."""
    named = as_in_plan_form(refused, data)
    errors = (
        one.model_copy(update={"field": one.field.removeprefix("data.")}) for one in named.errors
    )
    return type(refused)(*errors, retry_after_s=refused.retry_after_s)


async def show_campaign(visit: Visit) -> Response:
    """The plan beside what is done, and the form of the plan for who may change it."""
    return visit.page("campaign.html", **await _values(visit, await find_item(visit)))


async def report(visit: Visit) -> Response:
    """The short report as a file: for Word, or a PDF if `dang=pdf` asks for it."""
    item = await find_item(visit)
    kind = visit.request.query_params.get("dang", "docx")
    if kind not in _MEDIA_TYPES:
        raise NotFound(field_error("dang", "missing"))
    campaign = await _counted(visit, item)
    content = await visit.desk.services.campaign_reports.render(campaign, kind)
    name = f'attachment; filename="{item.content_id}.{kind}"'
    headers = {"Content-Disposition": name}
    return Response(content, media_type=_MEDIA_TYPES[kind], headers=headers)


async def edit_campaign(visit: Visit) -> Response:
    """Save the plan of the form."""
    item = await find_item(visit)
    data = read_plan(visit.form, editing.next_number(item.texts.values()))
    try:
        await _save(visit, item, data)
    except (Invalid, Conflict, Forbidden, NotFound) as refused:
        values = await _values(visit, await find_item(visit)) | {
            "plan": _typed(visit, data),
            "reason": visit.value("reason"),
        }
        return visit.refused_page("campaign.html", _named(refused, data), **values)
    return redirect(f"{_campaign_path(item.content_id)}?o=luu")


async def _save(visit: Visit, item: ItemView, data: Mapping[str, Any]) -> None:
    """Save plan and introduction unless the form changes nothing. Raises Invalid."""
    if wrong := [*_missing(visit, [INTRODUCTION]), *plan_errors(data)]:
        raise Invalid(*wrong)
    plan, introduction = CampaignPlan.model_validate(data), read_lines(visit.form, INTRODUCTION)
    fields = composition.fields_of(item.content_id, plan, item.data, introduction)
    changed = _with_reason(visit, item, {**item.data, **fields})
    if not _changes(item, changed) and visit.value("hash") == item.hash:
        return
    kind = ActionKind.SAVE if ActionKind.SAVE in item.possible else ActionKind.EDIT
    facts = (act_id(visit), visit.value("hash"), changed, visit.value("note"))
    await visit.editorial.perform(Order(item.content_id, kind, *facts))


def _changes(item: ItemView, changed: Mapping[str, Any]) -> bool:
    """Whether a form changes the newest text; the reason alone changes none that is out."""
    fields = [composition.PLAN, "body", *([] if item.revision == item.out else ["reason"])]
    before = {**item.data, composition.PLAN: _plan_of(item).model_dump(mode="json")}
    return any((changed.get(name) or "") != (before.get(name) or "") for name in fields)


def _with_reason(visit: Visit, item: ItemView, changed: Mapping[str, Any]) -> dict[str, Any]:
    """The text with the public reason of a correction; another plan alone has none.

    Raises Invalid where it lacks.
    """
    reason, out = visit.value("reason").strip(), item.out_data or {}
    if not out or is_internal_change(out, changed):
        return {**changed, "reason": ""}
    if not reason:
        raise Invalid(field_error("reason", "missing"))
    return {**changed, "reason": reason}


def _plan_of(item: ItemView) -> CampaignPlan:
    """The newest plan, which may be a draft. Raises NotFound for an item that is no campaign."""
    if plan := composition.plan_in(item.data):
        return plan
    raise NotFound(field_error("content_id", "missing"))


async def _reached(visit: Visit, campaign: ReportedCampaign) -> ItemFigures:
    """Find the figure of each target, or the reason why there is none."""
    found, wanted = ItemFigures({}), facts_wanted(campaign)
    try:
        if wanted:
            found = await visit.desk.services.reports.of_items(wanted)
    except Unavailable as refused:
        found = ItemFigures({}, [one.message_vi for one in refused.errors])
    return reached_targets(campaign, found)


async def _values(visit: Visit, item: ItemView) -> dict[str, Any]:
    newest, found = _plan_of(item), await _counted(visit, item)
    return {
        "item": item,
        "state": _status_words(item),
        "campaign": found,
        "has_draft": newest != found.plan,
        "progress": found.progress,
        "reached": await _reached(visit, found),
        "outside": len(found.progress.outside(found.plan)),
        "reason": "" if item.revision == item.out else item.data.get("reason", ""),
        "plan": PlanForm(newest.model_dump(mode="json"), composition.introduction_of(item.data)),
        "path": _campaign_path(item.content_id),
        "act_id": new_act_id(),
        "saved": visit.request.query_params.get("o") == "luu",
        **_choices(visit),
    }
