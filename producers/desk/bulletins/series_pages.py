"""The page of all bulletins, from which the next issue of one is begun."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from starlette.responses import Response

from contracts.bulletins import composition
from contracts.bulletins.issue import BulletinIssue, is_issue_of
from contracts.bulletins.series import Series, Span
from contracts.desk.editorial import NewItem, Order
from contracts.desk.index import ItemRow
from contracts.editorial import ActionKind
from contracts.errors import (
    Conflict,
    ContractError,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    field_error,
)
from producers.desk.bulletins.issue_form import issue_path
from producers.desk.items.pages import act_id, new_act_id, rename_fields
from producers.desk.rendering import redirect
from producers.desk.visit import Visit

_SHOWN = 60
_DAYS = ("first_day", "last_day")
_FORM_NAMES = {"series": "first_day", "number": "first_day"}
"""Fields of a proposal; days that are typed are the way on."""


async def show_bulletins(visit: Visit) -> Response:
    return visit.page("bulletins.html", **await _values(visit))


async def begin(visit: Visit) -> Response:
    """Begin the next issue of a series. A second press of the button is the same issue."""
    series_id = visit.request.path_params["series"]
    services = visit.desk.services
    try:
        days = _typed_days(visit)
        if days and (known := await services.bulletins.begun_for(series_id, days)):
            return redirect(issue_path(known) + "?o=known")
        issue = await services.bulletins.propose(series_id, days)
        await _save(visit, issue, services.vocabulary.bulletins[series_id])
    except (Invalid, Forbidden, Conflict) as refused:
        known = await _begun_before(visit, series_id) if isinstance(refused, Conflict) else ""
        return redirect(issue_path(known)) if known else await _refuse(visit, refused)
    return redirect(issue_path(issue.content_id))


def _typed_days(visit: Visit) -> Span | None:
    """The days that were typed; None for none. Raises Invalid for one alone, or what is no day."""
    typed = {name: visit.value(name) for name in _DAYS}
    if not any(typed.values()):
        return None
    days, errors = list[date](), list[FieldError]()
    for name, value in typed.items():
        try:
            days.append(date.fromisoformat(value))
        except ValueError:
            errors.append(field_error(name, "date_type" if value else "missing"))
    if errors:
        raise Invalid(*errors)
    return Span(*days)


async def _begun_before(visit: Visit, series_id: str) -> str:
    return await visit.desk.services.bulletins.begun_by(series_id, act_id(visit))


async def _save(visit: Visit, issue: BulletinIssue, series: Series) -> None:
    """The draft; the number of one that was given up gets a new text."""
    text = composition.new_text_of(issue, series)
    try:
        known = await visit.editorial.view(issue.content_id)
    except NotFound:
        new = NewItem(series.unit, act_id(visit), text, issue.content_id)
        await visit.editorial.begin(new)
        return
    order = Order(issue.content_id, ActionKind.SAVE, act_id(visit), known.hash, text)
    await visit.editorial.perform(order)


async def _refuse(visit: Visit, refused: ContractError) -> Response:
    values = await _values(visit) | {"asked_for": visit.request.path_params["series"]}
    return visit.refused_page("bulletins.html", rename_fields(refused, _FORM_NAMES), **values)


async def _values(visit: Visit) -> dict[str, Any]:
    known = visit.desk.services.vocabulary.bulletins
    writable = set(visit.editorial.writable_units())
    return {
        "bulletins": known,
        "issues": {id: await _issues(visit, id, series) for id, series in known.items()},
        "writable": {id for id, series in known.items() if series.unit in writable},
        "act_id": new_act_id(),
        "asked_for": "",
        "now": visit.now,
    }


async def _issues(visit: Visit, series_id: str, series: Series) -> Sequence[ItemRow]:
    """The issues that the person may read, by the index of items."""
    wanted = replace(visit.editorial.readable, topics=(series.topic,), limit=_SHOWN)
    rows = (await visit.desk.services.index.find(wanted)).rows
    return [one for one in rows if is_issue_of(one.content_id, series_id)]
