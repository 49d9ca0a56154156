"""Which campaigns the form of a text offers, and what it says of the one that is chosen."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from contracts.campaigns.composition import plan_in
from contracts.campaigns.plan import PlannedItem
from contracts.desk.campaigns import CAMPAIGNS, plan_of
from contracts.desk.index import ItemRow, all_rows
from contracts.editorial import OUT, Status
from contracts.text.moments import VIETNAM
from producers.desk.rendering import desk_texts
from producers.desk.visit import Visit
from producers.pages.forms import Form, single_value

_APPROVED = OUT | {Status.APPROVED, Status.SCHEDULED}
_ENTRY_DIGITS = 3
_LEFT = frozenset({Status.WITHDRAWN, Status.REJECTED})
JOINING = _FIELD, _ENTRY = "campaign", "campaign_entry"


async def offered_campaigns(visit: Visit, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The choices of a text's form: campaigns and their planned items, by value and name.

    Offered are those that are approved or that the person may read, until their last day, and the
    one that the text has; for a campaign there are none.
    """
    if data.get("campaign_plan"):
        return []
    index, today = visit.desk.services.index, visit.now.astimezone(VIETNAM).date()
    readable = replace(visit.editorial.readable, is_campaign=True, limit=CAMPAIGNS.limit)
    approved = replace(CAMPAIGNS, statuses=_APPROVED)
    rows = [*(await all_rows(index, readable)), *(await all_rows(index, approved))]
    known = {row.content_id: row for row in rows if row.out or row.stored_status not in _LEFT}
    choices = [one for row in known.values() if _is_open(row, today) for one in _choices(row)]
    chosen = chosen_value(data)
    if chosen and chosen not in dict(choices):
        choices.insert(0, (chosen, _campaign_words(data)))
    return choices


def _is_open(row: ItemRow, today: date) -> bool:
    plan = plan_of(row)
    return plan is not None and plan.last_day >= today


def _choices(row: ItemRow) -> Iterator[tuple[str, str]]:
    plan, texts = plan_of(row), desk_texts()["campaign"]
    yield row.content_id, str(texts["joins"]).format(row.title)
    for one in plan.entries if plan else ():
        parts = [f"{one.day:%d/%m/%Y}", *_channel_words(one)]
        words = {"number": one.number, "entry": one.title, "parts": ", ".join(parts)}
        yield f"{row.content_id}:{one.number}", str(texts["joins_as"]).format(row.title, **words)


def _channel_words(planned: PlannedItem) -> list[str]:
    """The name of the channel on which readers are to have a planned item, if it has one."""
    return [str(desk_texts()["item"]["channel"][planned.channel])] if planned.channel else []


def chosen_value(data: Mapping[str, Any]) -> str:
    """The value of the choice that a text has."""
    named, entry = data.get(_FIELD), data.get(_ENTRY)
    return f"{named or ''}" + (f":{entry}" if named and entry else "")


def _campaign_words(data: Mapping[str, Any]) -> str:
    """The campaign that a text joins, and the planned item that it is, by their names there."""
    named, entry = data.get(_FIELD), data.get(_ENTRY)
    if not named or data.get("campaign_plan"):
        return ""
    texts = desk_texts()["campaign"]
    return str(texts["named_entry"].format(named, entry) if entry else named)


async def joined_words(visit: Visit, data: Mapping[str, Any]) -> str:
    """The campaign that a text joins, by the title that the person may know, and the planned item.

    Without such a title by its address.
    """
    if not _campaign_words(data):
        return ""
    title = await title_of(visit, str(data[_FIELD]))
    return _campaign_words({**data, _FIELD: title or data[_FIELD]})


async def compared_campaigns(
    visit: Visit, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
    """The campaigns of two texts; by their addresses where they differ in these alone."""
    named = [await joined_words(visit, data) for data in (old, new)]
    addresses = [_campaign_words(data) for data in (old, new)]
    return addresses if named[0] == named[1] and addresses[0] != addresses[1] else named


async def title_of(visit: Visit, content_id: str) -> str:
    """The title that readers have; else the newest, for who may read it; empty for none."""
    index = visit.desk.services.index
    row = await index.get(content_id)
    if row is None or row.out:
        return row.released_title if row else ""
    page = await index.find(replace(visit.editorial.readable, ids=(content_id,)))
    return page.rows[0].title if page.rows else ""


def read_joining(form: Form, before: Mapping[str, Any]) -> dict[str, Any]:
    """The campaign that a form chooses; a campaign stays one, whose plan has its own form."""
    if before.get("campaign_plan"):
        return {name: before[name] for name in (_FIELD, _ENTRY) if name in before}
    named, _, entry = single_value(form, _FIELD).partition(":")
    is_number = entry.isascii() and entry.isdecimal() and len(entry) <= _ENTRY_DIGITS
    number = {_ENTRY: int(entry)} if is_number else {}
    return {_FIELD: named, **number} if named else {}


def plan_words(data: Mapping[str, Any], unit_names: Mapping[str, str]) -> str:
    """A plan as lines that people read and compare."""
    plan = plan_in(data)
    if plan is None:
        return ""
    texts = desk_texts()["campaign"]
    days = str(texts["days"]).format(f"{plan.first_day:%d/%m/%Y}", f"{plan.last_day:%d/%m/%Y}")
    lines = [plan.purpose, days]
    if plan.partners:
        lines.append(f"{texts['partners']}: {_names(plan.partners, unit_names)}")
    target, metrics = str(texts["plan_target"]), texts["metric"]
    lines += [target.format(metrics[one.metric], one.number) for one in plan.targets]
    for one in plan.entries:
        more = [unit_names.get(one.unit, one.unit)] if one.unit else []
        what = f"{one.number}. {one.day:%d/%m/%Y}: {one.title}"
        lines.append("; ".join([what, *more, *_channel_words(one)]))
    return "\n\n".join(lines)


def _names(units: Iterable[str], unit_names: Mapping[str, str]) -> str:
    return "; ".join(unit_names.get(one, one) for one in units)
