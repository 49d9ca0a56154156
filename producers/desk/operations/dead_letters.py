"""Dead letters: the list, one letter with what is wrong and what became of it, and its end."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from contracts.desk.dead_letters import DeadLetterService, LetterFilter, ShownLetter
from contracts.desk.roles import READ_DRAFTS
from contracts.errors import ContractError
from producers.desk import rendering
from producers.desk.visit import Visit
from producers.pages.forms import parse_day, parse_number

READ = ("edit-dead-letter", "operate", READ_DRAFTS)
EDIT, OPERATE = "edit-dead-letter", "operate"
_LIST_PATH = "/su-kien-loai"
_BELOW_FIELD = re.compile(r"^(data\.[^.\[]+).*$")


def _service(visit: Visit) -> DeadLetterService:
    return visit.desk.services.dead_letters


async def show_letters(visit: Visit) -> Response:
    wanted = _read_filter(visit)
    page = await _service(visit).page(visit.visitor, wanted)
    units = [(unit, f"{visit.unit_name(unit)} ({n})") for unit, n in sorted(page.units.items())]
    fields = [(name, f"{name} ({n})") for name, n in sorted(page.fields.items())]
    older = _older_link(visit, page.next_before)
    facts: dict[str, Any] = {"wanted": wanted, "units": units, "fields": fields, "older": older}
    return visit.page("dead_letters.html", page=page, **facts)


def _read_filter(visit: Visit) -> LetterFilter:
    """The filter of the address; what can't be read in it is not asked for."""
    asked = visit.request.query_params
    return LetterFilter(
        unit=asked.get("don-vi", ""),
        field=asked.get("truong", ""),
        since=parse_day(asked.get("tu", "")),
        ended=bool(asked.get("ca-da-xu-ly")),
        before=parse_number(asked.get("truoc", "")) or 0,
    )


def _older_link(visit: Visit, before: int) -> str:
    if not before:
        return ""
    asked = {name: value for name, value in visit.request.query_params.items() if name != "truoc"}
    return f"{_LIST_PATH}?{urlencode(asked | {'truoc': before})}"


async def show_letter(visit: Visit) -> Response:
    done = rendering.desk_texts()["dead"]["done"].get(visit.request.query_params.get("xong"), "")
    return visit.page("dead_letter.html", shown=await _load(visit), done=done)


def _id(visit: Visit) -> int:
    """The letter's number. Raises HTTPException (404) for anything else."""
    id = parse_number(visit.request.path_params["id"])
    if id is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return id


async def _load(visit: Visit) -> ShownLetter:
    return await _service(visit).show(visit.visitor, _id(visit))


async def show_edit(visit: Visit) -> Response:
    """The letter's event as a form."""
    shown = await _load(visit)
    return visit.page("dead_letter_edit.html", shown=shown, given={}, reason="")


async def edit(visit: Visit) -> Response:
    """Show what would be sent; the second time send it."""
    fields, reason = _fields(visit), visit.value("reason")
    service, id = _service(visit), _id(visit)
    try:
        if visit.value("agreed"):
            await service.edit(visit.visitor, id, fields, reason)
            return _done(id, "sua")
        checked = await service.check(visit.visitor, id, fields)
    except ContractError as refused:
        return await _refused_edit(visit, refused, fields, reason)
    facts: dict[str, Any] = {"checked": checked, "kept": fields.items(), "reason": reason}
    return visit.page("dead_letter_check.html", id=id, **facts)


def _fields(visit: Visit) -> dict[str, str]:
    """The fields of the event as the form names them: `f.data.title`."""
    return {name[2:]: visit.value(name) for name in visit.form if name.startswith("f.")}


async def _refused_edit(
    visit: Visit, refused: ContractError, given: Mapping[str, str], reason: str
) -> Response:
    """The form again, with each error at its field."""
    wrong = dict[str, str]()
    for name, said in rendering.errors_by_field(refused).items():
        wrong.setdefault(_BELOW_FIELD.sub(r"\1", name), said)
    facts: dict[str, Any] = {"given": given, "reason": reason, "wrong": wrong}
    return visit.page("dead_letter_edit.html", refused.status, shown=await _load(visit), **facts)


async def replay(visit: Visit) -> Response:
    await _service(visit).replay(visit.visitor, _id(visit), visit.value("reason"))
    return _done(_id(visit), "gui-lai")


async def discard(visit: Visit) -> Response:
    await _service(visit).discard(visit.visitor, _id(visit), visit.value("reason"))
    return _done(_id(visit), "bo")


def _done(id: int, what: str) -> Response:
    return rendering.redirect(f"{_LIST_PATH}/{id}?xong={what}")
