"""The log: who did what; search, one entry, the proof that nothing is missing, export."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from contracts.desk.audit_log import ExportFormat, LogEntry, LogFilter, LogName, LogPlace
from contracts.errors import ContractError
from producers.desk.items.pages import rejection_names
from producers.desk.items.text_form import as_moment
from producers.desk.rendering import desk_texts
from producers.desk.visit import Visit
from producers.pages.forms import parse_day, parse_number

READ = "audit"
_PATH = "/nhat-ky"
_LOGS: Mapping[str, LogName] = {"kiem-toan": "audit", "bien-tap": "editorial"}
_MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
_ASKED = ("nguoi", "viec", "doi-tuong", "tu", "den")
_LONGEST = 200
_LOA, _PROPOSAL = "Loa", "propose"


async def show_log(visit: Visit) -> Response:
    asked = visit.request.query_params
    wanted, before = _filter_of(asked), _place(asked.get("truoc", ""))
    page = await visit.desk.services.audit_log.page(wanted, before)
    given = {name: asked[name] for name in _ASKED if asked.get(name)}
    older = ""
    if page.older:
        place = ".".join(map(str, page.older))
        older = f"{_PATH}?{urlencode(given | {'truoc': place})}"
    facts: dict[str, Any] = {"given": given, "older": older, "export": urlencode(given)}
    shown = [(one, _who(visit, one), _about(visit, one)) for one in page.entries]
    return visit.page("log.html", page=page, shown=shown, **_words(), **facts)


def _words() -> Mapping[str, Any]:
    """The names of the logs in addresses, and the acts that people may search for."""
    names: Mapping[str, str] = desk_texts()["log_action"]
    return {"logs": _names_of_logs(), "acts": sorted(names.items(), key=lambda one: one[1])}


def _who(visit: Visit, entry: LogEntry) -> str:
    """The person, the unit or Loa; else the account that the record names."""
    return entry.name or visit.unit_name(_LOA if entry.actor == _LOA.lower() else entry.actor)


def _about(visit: Visit, entry: LogEntry) -> str:
    """The account, unit, channel or right that an act is about; else the object as recorded."""
    texts, object = desk_texts(), entry.object
    known = {**texts["value"], **texts["channel_name"]}
    if entry.action == _PROPOSAL:
        table = visit.desk.services.staff.role_table()
        known |= {one.id: one.name for one in table.actions} | texts["log_action"]
    return entry.object_name or known.get(object, "") or visit.unit_name(object)


def _names_of_logs() -> Mapping[LogName, str]:
    return {log: name for name, log in _LOGS.items()}


def _filter_of(asked: Mapping[str, str]) -> LogFilter:
    """The filter of an address or a form; what can't be read in it is not asked for."""
    person, action, about = (asked.get(name, "").strip()[:_LONGEST] for name in _ASKED[:3])
    since, last = parse_day(asked.get("tu", "")), parse_day(asked.get("den", ""))
    return LogFilter(person, action, about, since, last + timedelta(days=1) if last else None)


def _place(written: str) -> LogPlace:
    parts = written.split(".")
    numbers = [number for part in parts if (number := parse_number(part)) is not None]
    is_place = len(numbers) == len(parts) == len(LogPlace._fields)
    return LogPlace(*numbers) if is_place else LogPlace()


async def show_entry(visit: Visit) -> Response:
    """Raises HTTPException (404) for an entry that is not there."""
    log, n = _LOGS.get(visit.request.path_params["log"]), visit.request.path_params["id"]
    found = None
    if log and (number := parse_number(n)) is not None:
        found = await visit.desk.services.audit_log.entry(log, number)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    facts: dict[str, Any] = {
        "who": _who(visit, found),
        "about": _about(visit, found),
        "session": as_moment(found.session),
        "codes": rejection_names(),
    }
    return visit.page("log_entry.html", entry=found, **facts, **_words())


async def show_proof(visit: Visit) -> Response:
    return visit.page("log_proof.html", proof=visit.desk.services.audit_log.last_proof)


async def prove(visit: Visit) -> Response:
    return visit.page("log_proof.html", proof=await visit.desk.services.audit_log.prove())


async def show_export(visit: Visit) -> Response:
    asked = visit.request.query_params
    given = {name: asked[name] for name in _ASKED if asked.get(name)}
    return visit.page("log_export.html", **{"given": given, **_words()})


async def export(visit: Visit) -> Response:
    """The entries of a filter as a file, written while it is read."""
    given = {name: visit.value(name) for name in _ASKED if visit.value(name)}
    format: ExportFormat = "jsonl" if visit.value("format") == "jsonl" else "csv"
    service, wanted = visit.desk.services.audit_log, _filter_of(given)
    try:
        lines = await service.export(visit.visitor, wanted, format, visit.value("reason"))
    except ContractError as refused:
        return visit.refused_page("log_export.html", refused, given=given, **_words())
    name = {"Content-Disposition": f'attachment; filename="nhat-ky.{format}"'}
    return StreamingResponse(lines, media_type=_MEDIA[format], headers=name)
