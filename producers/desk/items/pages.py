"""Pages of one item: its state and history, the form of its text, and its review."""

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from contracts.desk.editorial import ItemView, NewItem, Order
from contracts.editorial import ActionKind, Status
from contracts.errors import Conflict, ContractError, Forbidden, Invalid, field_error
from contracts.text.differences import marked_changes
from contracts.vocabulary import REJECTIONS
from producers.desk.items.text_form import TextForm, read_text
from producers.desk.rendering import desk_texts, redirect
from producers.desk.visit import Visit

_ACT_BYTES = 16
_SHORT_HASH = 8
_OUT = frozenset({Status.PUBLISHED, Status.CORRECTED})
_COMPARED = ("title", "short_title", "summary", "reason", "body")


def item_path(content_id: str, rest: str = "") -> str:
    return f"/tin/{content_id}{rest}"


async def show_new_item(visit: Visit) -> Response:
    return _form_page(visit, TextForm({}), {"units": _units(visit)})


async def add_item(visit: Visit) -> Response:
    """Save a new text. A second press of the button is the same text."""
    data: dict[str, Any] = {}
    try:
        data = read_text(visit.form, {})
        new = NewItem(visit.value("unit"), act_id(visit), data)
        return redirect(item_path(await visit.editorial.begin(new)))
    except (Invalid, Forbidden, Conflict) as refused:
        return _refused_form(visit, refused, TextForm(data), {"units": _units(visit)})


async def show_item(visit: Visit) -> Response:
    """Raises NotFound, Forbidden."""
    item = await _item(visit)
    return visit.page("item.html", **_item_values(visit, item))


async def refused_act(visit: Visit, refused: ContractError) -> Response:
    """The item's page with what an act lacks, as it is now. Raises NotFound, Forbidden."""
    item = await _item(visit)
    return visit.refused_page("item.html", _as_in_form(refused), **_item_values(visit, item))


async def show_text(visit: Visit) -> Response:
    """The form of an item's text, for whom may change it now."""
    item = await _item(visit)
    if not item.is_editable:
        return redirect(item_path(item.content_id))
    return _form_page(visit, TextForm(item.data), {"item": item})


async def save_text(visit: Visit) -> Response:
    """Save a changed text: a draft of the unit, or an editor's."""
    item = await _item(visit)
    kind = ActionKind.SAVE if ActionKind.SAVE in item.possible else ActionKind.EDIT
    data: dict[str, Any] = dict(item.data)
    try:
        data = read_text(visit.form, item.data)
        order = Order(item.content_id, kind, act_id(visit), visit.value("hash"), data)
        await visit.editorial.perform(order)
    except (Invalid, Forbidden, Conflict) as refused:
        return _refused_form(visit, refused, TextForm(data), {"item": item})
    return redirect(item_path(item.content_id))


async def show_review(visit: Visit) -> Response:
    """The changes of a text against what is out and against what its unit sent."""
    item = await _item(visit)
    against = visit.request.query_params.get("so-voi", "")
    bases = {"da-dang": item.out_data, "don-vi": item.sent_data}
    usual = "da-dang" if item.out_data else "don-vi"
    chosen = against if bases.get(against) else usual
    values = _item_values(visit, item) | {
        "against": chosen,
        "bases": [name for name, data in bases.items() if data],
        "changes": list(_compare(bases[chosen] or {}, item.data)),
    }
    return visit.page("review.html", **values)


def _compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The marked changes of each field of text that either has."""
    return [
        (name, marked_changes(str(old.get(name) or ""), str(new.get(name) or "")))
        for name in _COMPARED
        if old.get(name) or new.get(name)
    ]


async def _item(visit: Visit) -> ItemView:
    return await visit.editorial.view(visit.request.path_params["content_id"])


def _item_values(visit: Visit, item: ItemView) -> dict[str, Any]:
    return {
        "item": item,
        "text": TextForm(item.data),
        "act_id": _new_act_id(),
        "short_hash": item.hash[:_SHORT_HASH],
        "codes": {code: texts["vi"] for code, texts in REJECTIONS.items()},
        "roles": visit.desk.services.staff.role_names(),
        "links": _links(item),
        "done": visit.request.query_params.get("xong", ""),
    }


def _links(item: ItemView) -> list[tuple[str, str]]:
    """The pages of the item that help with what comes next."""
    named, path = desk_texts()["item"]["link"], item_path(item.content_id)
    edit = "correct" if item.out and item.status in _OUT else "edit"
    links = [(f"{path}/sua", named[edit])] if item.is_editable else []
    return [*links, (f"{path}/duyet", named["review"])]


def _form_page(visit: Visit, text: TextForm, values: Mapping[str, Any]) -> Response:
    shown = {"item": None, "text": text, "act_id": _new_act_id(), **values}
    return visit.page("text_form.html", **shown)


def _refused_form(
    visit: Visit, refused: ContractError, text: TextForm, values: Mapping[str, Any]
) -> Response:
    """The form again, with what was typed and what is wrong with it."""
    shown = {"item": None, "text": text, "act_id": visit.value("act_id"), **values}
    page = visit.refused_page("text_form.html", _as_in_form(refused), **shown)
    if isinstance(refused, Conflict):
        page.status_code = HTTPStatus.CONFLICT
    return page


def _as_in_form(refused: ContractError) -> ContractError:
    """The same error; fields of an event's data have the names that the form gives them."""
    names = [(error, error.field.removeprefix("data.")) for error in refused.errors]
    errors = (error.model_copy(update={"field": name}) for error, name in names)
    return type(refused)(*errors, retry_after_s=refused.retry_after_s)


def _units(visit: Visit) -> dict[str, str]:
    return {unit: visit.unit_name(unit) for unit in visit.editorial.writable_units()}


def _new_act_id() -> str:
    """The id of an act that a page offers: the same for each press of its button."""
    return secrets.token_hex(_ACT_BYTES)


def act_id(visit: Visit) -> str:
    """Raises Invalid for an id that no page of ours offers."""
    id = visit.value("act_id")
    if len(id) != 2 * _ACT_BYTES or not set(id) <= set("0123456789abcdef"):
        raise Invalid(field_error("act_id", "missing"))
    return id
