"""Reports: the figures of any days, the items behind each one, and all of them as a file."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
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
    BehindFigure,
    FigureAt,
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
_LONGEST_DAYS = 1100
_YEAR_BEGINS = (12, 15)
"""Month and day of the first day of a year of administrative reports."""
_LAST_PAGE = 10_000
_CSV = "text/csv; charset=utf-8"
_MEDIA: Mapping[AuthorFormat, str] = {
    "csv": _CSV,
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class _Asked(NamedTuple):
    """The days that were asked for, and what is wrong with them."""

    first: date
    last: date
    wrong: Mapping[str, str]

    @property
    def query(self) -> dict[str, str]:
        return {"tu": str(self.first), "den": str(self.last)}


async def show(visit: Visit) -> Response:
    asked, wanted = _asked(visit), _wanted(visit)
    if wanted is None:
        return visit.page("report.html", report=None, asked=asked)
    report = await visit.desk.services.reports.view(wanted)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if asked.wrong else HTTPStatus.OK
    facts: dict[str, Any] = {"is_of_all": wanted.is_of_all, "href": _href(asked)}
    facts["may_list_authors"] = _may_list_authors(visit)
    file = f"{_FILE}?{urlencode(asked.query)}"
    return visit.page(
        "report.html", status, report=report, asked=asked, file=file, wrong=asked.wrong, **facts
    )


async def show_behind(visit: Visit) -> Response:
    """The rows behind a figure. Raises HTTPException (404) for one that is not shown."""
    query, wanted = visit.request.query_params, _wanted(visit)
    at = FigureAt(query.get("chi-tieu", ""), query.get("theo", ""), query.get("muc", ""))
    page = _page(query.get("trang", ""))
    if wanted is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    try:
        behind = await visit.desk.services.reports.behind(wanted, at, page)
    except NotFound as unknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from unknown
    asked = _asked(visit)
    href, following = _href(asked)(at), ""
    if behind.has_more:
        following = f"{href}&trang={page + 1}"
    items = await _readable_items(visit, behind)
    facts: dict[str, Any] = {"asked": asked, "following": following, "is_of_all": wanted.is_of_all}
    facts["report"] = f"{_PATH}?{urlencode(asked.query)}"
    return visit.page("report_behind.html", behind=behind, items=items, **facts)


async def send_file(visit: Visit) -> Response:
    """All figures as CSV. Raises HTTPException (404) for a person who sees none."""
    asked, wanted = _asked(visit), _wanted(visit)
    if wanted is None:
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
    usual = _Asked(_year_of(yesterday), yesterday, {})
    if not (query.get("tu") or query.get("den")):
        return usual
    first, last = parse_day(query.get("tu", "")), parse_day(query.get("den", ""))
    said = desk_texts()["report"]["wrong"]
    if first is None or last is None:
        return usual._replace(wrong={"tu" if first is None else "den": said["day"]})
    if last < first:
        return usual._replace(wrong={"den": said["backwards"]})
    if (last - first).days >= _LONGEST_DAYS:
        return usual._replace(wrong={"den": said["long"].format(_LONGEST_DAYS)})
    return _Asked(first.date(), last.date(), {})


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


async def _readable_items(visit: Visit, behind: BehindFigure) -> Mapping[str, ItemRow]:
    """The items of a page that the person may read, by id."""
    ids = tuple(dict.fromkeys(one.content_id for one in behind.rows if one.content_id))
    if not ids:
        return {}
    wanted = _of_ids(visit.editorial.readable, ids)
    return {row.content_id: row for row in (await visit.desk.services.index.find(wanted)).rows}


def _of_ids(readable: ItemFilter, ids: tuple[str, ...]) -> ItemFilter:
    return replace(readable, ids=ids, order=Order.URGENT, limit=len(ids))
