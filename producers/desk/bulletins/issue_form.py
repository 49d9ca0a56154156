"""The form of an issue: each button saves what was typed, and moves, drops or adds an item."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from contracts.bulletins import composition, editing
from contracts.bulletins.issue import BulletinIssue
from contracts.bulletins.proposal import entry_of
from contracts.desk.editorial import ItemView, Order
from contracts.editorial import OUT, ActionKind
from contracts.errors import (
    Conflict,
    ContractError,
    Forbidden,
    Invalid,
    NotFound,
    explain,
    field_error,
)
from producers.desk.items.item_issues import stale_issue
from producers.desk.items.pages import act_id, find_item, item_path, new_act_id, rename_fields
from producers.desk.rendering import redirect
from producers.desk.visit import Visit

_FORM_NAMES = {
    "content_id": "item",
    "before": "item",
    "section": "to",
    "edit": "introduction",
    "hash": "introduction",
}
"""Fields of an edit, by the names that they have on the page."""
_STEPS = {"up": editing.UP, "down": editing.DOWN}


def issue_path(content_id: str) -> str:
    return item_path(content_id, "/ban-tin")


async def show_issue(visit: Visit) -> Response:
    """Raises NotFound for an item that is no issue, Forbidden."""
    item = await find_item(visit)
    return visit.page("issue.html", **await _values(visit, item))


async def print_issue(visit: Visit) -> Response:
    """The issue as a PDF. Raises NotFound for an item that is no issue, Forbidden."""
    item = await find_item(visit)
    issue, is_draft = issue_of(item), item.stored_status not in OUT
    set_pdf = visit.desk.services.bulletins.print_issue
    pdf = await asyncio.to_thread(set_pdf, issue, is_draft=is_draft)
    name = f'inline; filename="{item.content_id}.pdf"'
    return Response(pdf, media_type="application/pdf", headers={"Content-Disposition": name})


async def edit_issue(visit: Visit) -> Response:
    """Save what was typed, and do what the pressed button says."""
    item = await find_item(visit)
    try:
        changed = await _edited(visit, item)
        await _save(visit, item, changed)
    except (Invalid, Conflict, Forbidden, NotFound) as refused:
        return await _refuse(visit, refused)
    return redirect(issue_path(item.content_id) + _mark(visit.value("edit"), changed, item.hash))


def _mark(pressed: str, issue: BulletinIssue, before: str) -> str:
    """Mark of the next page: the same button, with the focus, or the item that was put.

    Behind a drop it names the text *before*, which has the item. Browsers give no button the focus
    on a page whose address names a place.
    """
    edit, _, rest = pressed.partition(":")
    name = rest.partition(":")[0]
    if edit == "drop":
        return f"?o={pressed}&truoc={before}"
    if name not in issue.content_ids:
        return "?o=save"
    return f"?o={pressed}" + (f"#muc-{name}" if edit in ("put", "undo") else "")


async def _save(visit: Visit, item: ItemView, changed: BulletinIssue) -> None:
    """Save the issue unless the form changes nothing."""
    if changed == issue_of(item) and visit.value("hash") == item.hash:
        return
    kind = ActionKind.SAVE if ActionKind.SAVE in item.possible else ActionKind.EDIT
    data = {**item.data, **composition.fields_of(changed)}
    order = Order(item.content_id, kind, act_id(visit), visit.value("hash"), data)
    await visit.editorial.perform(order)


async def _edited(visit: Visit, item: ItemView) -> BulletinIssue:
    """The issue with what was typed, and with what the button does. Raises Invalid, NotFound."""
    try:
        typed = _with_typed(visit, issue_of(item))
        return await _with_button(visit, typed, item)
    except ValidationError as error:
        raise Invalid(*explain(error)) from error


def _with_typed(visit: Visit, issue: BulletinIssue) -> BulletinIssue:
    """The introduction, who compiled it, and each item's text and section where they changed."""
    introduction = visit.value("introduction").replace("\r\n", "\n").strip()
    changed = editing.introduce(issue, introduction)
    changed = editing.compiled_by(changed, " ".join(visit.value("compiled_by").split()))
    for section in issue.sections:
        for entry in section.entries:
            text = _typed(visit, f"text.{entry.content_id}", entry.text)
            if text != entry.text:
                changed = _shortened(changed, entry.content_id, text)
            target = _typed(visit, f"section.{entry.content_id}", section.id)
            if target != section.id:
                changed = editing.place_before(changed, entry.content_id, target)
    return changed


def _shortened(issue: BulletinIssue, content_id: str, text: str) -> BulletinIssue:
    """Raises Invalid, which names the field of the item's text."""
    try:
        return editing.shorten(issue, content_id, text)
    except ValidationError as error:
        named = [one.model_copy(update={"field": f"text.{content_id}"}) for one in explain(error)]
        raise Invalid(*named) from error


def _typed(visit: Visit, name: str, present: str) -> str:
    """A field as it was typed, on one line; what the form has not stays as it is."""
    return " ".join(visit.value(name).split()) if name in visit.form else present


async def _with_button(visit: Visit, issue: BulletinIssue, item: ItemView) -> BulletinIssue:
    """Apply the pressed button. Raises Invalid for one that no page of ours has; Conflict."""
    match visit.value("edit").split(":"):
        case ["up" | "down" as step, name]:
            return editing.move(issue, name, _STEPS[step])
        case ["drop", name]:
            return editing.drop(issue, name)
        case ["put", name, section, before]:
            return editing.place_before(issue, name, section, before)
        case ["add"]:
            name = visit.value("item").strip().rstrip("/").rpartition("/")[2]
            added = await visit.desk.services.bulletins.released(name, issue)
            return editing.add(issue, visit.value("to"), entry_of(added))
        case ["undo", name, hash]:
            return editing.put_back(issue, _issue_in(item.texts.get(hash, {})), name)
        case ["save"]:
            return issue
    raise Invalid(field_error("edit", "missing"))


async def _refuse(visit: Visit, refused: ContractError) -> Response:
    """The form as the issue is now, with what was typed and what is wrong."""
    values = await _values(visit, await find_item(visit))
    named = rename_fields(refused, _FORM_NAMES)
    return visit.refused_page("issue.html", named, **values | {"typed": visit.form})


def issue_of(item: ItemView) -> BulletinIssue:
    """Raises NotFound for an item that is no issue."""
    return _issue_in(item.data)


def _issue_in(data: Mapping[str, Any]) -> BulletinIssue:
    parts = data.get("bulletin")
    if not isinstance(parts, Mapping):
        raise NotFound(field_error("content_id", "missing"))
    return BulletinIssue.model_validate(parts)


def _dropped(visit: Visit, item: ItemView) -> tuple[str, str]:
    """Title of the last dropped item, and the button that puts it back; empty for none."""
    query = visit.request.query_params
    edit, _, name = query.get("o", "").partition(":")
    hash = query.get("truoc", "")
    if edit != "drop" or hash not in item.texts or name in issue_of(item).content_ids:
        return "", ""
    titles = _issue_in(item.texts[hash]).titles
    return (titles[name], f"undo:{name}:{hash}") if name in titles else ("", "")


async def _values(visit: Visit, item: ItemView) -> dict[str, Any]:
    issue = issue_of(item)
    outdated: tuple[str, ...] = ()
    with suppress(NotFound):
        outdated = tuple(
            await visit.desk.services.bulletins.outdated(issue, is_out=bool(item.readers.seen))
        )
    return {
        "item": item,
        "issue": issue,
        "outdated": outdated,
        "stale_issue": await stale_issue(visit, item),
        "sections": [(section.id, section.name) for section in issue.sections],
        "act_id": new_act_id(),
        "dropped": _dropped(visit, item),
        "pressed": visit.request.query_params.get("o", ""),
        "path": issue_path(item.content_id),
        "typed": {},
    }
