"""Reports: the figures of any days, the items behind each one, and all of them as a file."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from contracts.desk.index import ItemFilter, ItemRow, Order
from contracts.desk.roles import READ_DRAFTS
from contracts.errors import NotFound
from contracts.facts.live_reports import (
    AuthorFormat,
    FigureAt,
    FigureBreakdown,
    ReportScope,
    ReportWanted,
)
from contracts.text.moments import VIETNAM
from producers.desk.rendering import desk_texts
from producers.desk.visit import Visit
from producers.pages.forms import parse_day

READ = READ_DRAFTS
AUTHORS = "edit"
_PATH, _BEHIND, _FILE = "/bao-cao", "/bao-cao/so-lieu", "/bao-cao/tep"
_LONGEST_DAYS = 3 * 366
"""Three years, whichever they are."""
_YEAR_BEGINS = (12, 15)
"""Month and day of the first day of a year of administrative reports."""
_LAST_PAGE = 10_000
_CSV = "text/csv; charset=utf-8"
_MEDIA: Mapping[AuthorFormat, str] = {
    "csv": _CSV,
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class _Asked(NamedTuple):
    """The days that were asked for; of wrong ones, what is wrong, beside those of every visit."""

    first: date
    last: date
    wrong: Mapping[str, str] = {}
    typed: Mapping[str, str] = {}

    @property
    def query(self) -> dict[str, str]:
        return {"tu": str(self.first), "den": str(self.last)}

    @property
    def fields(self) -> dict[str, str]:
        """The values of the form's fields: what was typed stays."""
        return self.query | dict(self.typed)


async def show(visit: Visit) -> Response:
    """The figures of the days that are asked for. Wrong days have none, and stay in the form."""
    asked, wanted = _asked(visit), _wanted(visit)
    if wanted is None:
        return visit.page("report.html", asked=None)
    facts: dict[str, Any] = {"asked": asked, "is_of_all": wanted.is_of_all}
    facts["may_list_authors"] = _may_list_authors(visit)
    if asked.wrong:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return visit.page("report.html", status, report=None, wrong=asked.wrong, **facts)
    report = await visit.desk.services.reports.view(wanted)
    facts |= {"href": _href(asked), "file": f"{_FILE}?{urlencode(asked.query)}"}
    return visit.page("report.html", report=report, **facts)


async def show_breakdown(visit: Visit) -> Response:
    """Show the parts of a figure. Raises HTTPException (404) for one that is not shown."""
    query, asked, wanted = visit.request.query_params, _asked(visit), _wanted(visit)
    at = FigureAt(query.get("chi-tieu", ""), query.get("theo", ""), query.get("muc", ""))
    page = _page(query.get("trang", ""))
    if wanted is None or asked.wrong:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    try:
        breakdown = await visit.desk.services.reports.breakdown(wanted, at, page)
    except NotFound as unknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from unknown
    href, following = _href(asked)(at), ""
    if breakdown.has_more:
        following = f"{href}&trang={page + 1}"
    items = await _readable_items(visit, breakdown)
    facts: dict[str, Any] = {"asked": asked, "following": following, "is_of_all": wanted.is_of_all}
    facts["report"] = f"{_PATH}?{urlencode(asked.query)}"
    return visit.page("report_breakdown.html", breakdown=breakdown, items=items, **facts)


async def send_file(visit: Visit) -> Response:
    """All figures as CSV. Raises HTTPException (404) for wrong days, and who sees no figures."""
    asked, wanted = _asked(visit), _wanted(visit)
    if wanted is None or asked.wrong:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    name = f"bao-cao-{asked.first}-{asked.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    body = await visit.desk.services.reports.csv(wanted)
    return Response(body, media_type=_CSV, headers=headers)


def _may_list_authors(visit: Visit) -> bool:
    """Whether the person may list the authors of all units, as a list has them."""
    return visit.visitor.may_do("report.authors")


async def show_authors(visit: Visit) -> Response:
    """Raises HTTPException (403) for an editor of some units."""
    if not _may_list_authors(visit):
        raise HTTPException(HTTPStatus.FORBIDDEN)
    return visit.page("report_authors.html", asked=_asked(visit))


async def send_authors(visit: Visit) -> Response:
    """The items of some days by author, as a file."""
    asked = _asked_in(visit, {"tu": visit.value("tu"), "den": visit.value("den")})
    if asked.wrong:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return visit.page("report_authors.html", status, asked=asked, wrong=asked.wrong)
    format: AuthorFormat = "csv" if visit.value("format") == "csv" else "xlsx"
    days = (asked.first, asked.last)
    body = await visit.desk.services.author_lists.export(visit.visitor, days, format)
    name = f"tac-gia-{asked.first}-{asked.last}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=_MEDIA[format], headers=headers)


def _wanted(visit: Visit) -> ReportWanted | None:
    """The days, and whose figures the person may see; None for who may read own items alone."""
    asked, scopes = _asked(visit), visit.editorial.readable.scopes
    if not scopes:
        return None
    named = tuple(dict.fromkeys(ReportScope(one.units, one.topics) for one in scopes))
    return ReportWanted(asked.first, asked.last, named)


def _asked(visit: Visit) -> _Asked:
    return _asked_in(visit, visit.request.query_params)


def _asked_in(visit: Visit, query: Mapping[str, str]) -> _Asked:
    """The days that were given; without any, the year of reports up to yesterday."""
    yesterday = (visit.now.astimezone(VIETNAM) - timedelta(days=1)).date()
    usual = _Asked(_year_of(yesterday), yesterday)
    typed = {name: query.get(name, "") for name in ("tu", "den")}
    if not any(typed.values()):
        return usual
    first, last = parse_day(typed["tu"]), parse_day(typed["den"])
    wrong = _wrong_days(first, last)
    if first and last and not wrong:
        return _Asked(first.date(), last.date())
    said = desk_texts()["report"]["wrong"]
    return usual._replace(typed=typed, wrong={field: said[one] for field, one in wrong.items()})


def _wrong_days(first: datetime | None, last: datetime | None) -> dict[str, str]:
    """Errors in the days of a form, by field."""
    if first is None or last is None:
        return {name: "day" for name, day in (("tu", first), ("den", last)) if day is None}
    if last < first:
        return {"den": "backwards"}
    return {"den": "long"} if (last - first).days >= _LONGEST_DAYS else {}


def _year_of(day: date) -> date:
    """The first day of the year of reports that *day* is in."""
    begins = day.replace(month=_YEAR_BEGINS[0], day=_YEAR_BEGINS[1])
    return begins if begins <= day else begins.replace(year=day.year - 1)


def _href(asked: _Asked) -> Callable[[FigureAt], str]:
    """Makes addresses of what is behind figures."""

    def href(at: FigureAt) -> str:
        place = {"chi-tieu": at.indicator, "theo": at.by, "muc": at.part}
        return f"{_BEHIND}?{urlencode({**asked.query, **place})}"

    return href


def _page(written: str) -> int:
    return min(int(written), _LAST_PAGE) if written.isdecimal() and len(written) < 6 else 0


async def _readable_items(visit: Visit, breakdown: FigureBreakdown) -> Mapping[str, ItemRow]:
    """The items of a page that the person may read, by id."""
    ids = tuple(dict.fromkeys(one.content_id for one in breakdown.rows if one.content_id))
    if not ids:
        return {}
    wanted = _of_ids(visit.editorial.readable, ids)
    return {row.content_id: row for row in (await visit.desk.services.index.find(wanted)).rows}


def _of_ids(readable: ItemFilter, ids: tuple[str, ...]) -> ItemFilter:
    return replace(readable, ids=ids, order=Order.URGENT, limit=len(ids))
