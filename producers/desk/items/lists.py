"""Lists of items: what waits for me, all items and the search, and the calendar."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response

from contracts.base.errors import UnknownYear
from contracts.base.working_days import WorkingDays
from contracts.delivery import ChannelName
from contracts.desk.index import ItemFilter, ItemRow, Items, Order, Page
from contracts.editorial import Status
from contracts.errors import Unavailable
from contracts.text.moments import VIETNAM
from producers.desk.rendering import desk_texts
from producers.desk.visit import Visit

_PATH, _CALENDAR_PATH = "/tin", "/lich"
_ASKED = ("q", "trang-thai", "don-vi", "chu-de", "kenh", "sau")
_SHORT = 10
_PAGE = 50
_CALENDAR_MAX = 500
_UNPLANNED = frozenset({Status.DRAFT, Status.RETURNED, Status.REJECTED})
_PLANNED = frozenset(Status) - _UNPLANNED
"""The statuses of items on the calendar."""
_DAYS_OF_WEEK = 7
_YEARS_AROUND = 50
_CLOCK = slice(11, 16)
"""Hours and minutes in a time as ISO 8601 writes it."""


async def show_work(visit: Visit) -> Response:
    """Show what waits for the person, most urgent first; the person's own; the channels' health."""
    person, services = visit.editorial, visit.desk.services
    line, waiting, unsent, own = await asyncio.gather(
        services.operations.line(),
        _found(services.index, person.waiting),
        _found(services.index, person.unsent),
        _found(services.index, replace(person.own, limit=_SHORT)),
    )
    shown: dict[str, Any] = {"waiting": waiting, "unsent": unsent, "own": own}
    return visit.page("work.html", now=visit.now, line=line, **shown)


async def _found(index: Items, wanted: ItemFilter) -> Page:
    """The items; without the index the start page is there all the same, with a word about it."""
    try:
        return await index.find(wanted)
    except Unavailable:
        return Page((), is_current=False)


async def show_items(visit: Visit) -> Response:
    """Items that the person may read, by words, status, unit, topic and channel."""
    asked = dict.fromkeys(_ASKED, "") | dict(visit.request.query_params)
    wanted = _wanted(visit.editorial.readable, asked)
    page = await visit.desk.services.index.find(wanted)
    more = {name: value for name, value in asked.items() if value and name != "sau"}
    next_path = f"{_PATH}?{urlencode({**more, 'sau': page.next_cursor})}"
    return visit.page(
        "items.html",
        found=page,
        counted=_counted(page, is_first=not asked["sau"]),
        asked=asked,
        now=visit.now,
        next=next_path if page.next_cursor else "",
    )


def _counted(page: Page, *, is_first: bool) -> str:
    """How many items were found, in a sentence."""
    said = desk_texts()["list"]
    if not page.rows:
        return str(said["none"])
    name = ("found_more" if page.next_cursor else "found") if is_first else "on_page"
    return str(said[name].format(len(page.rows)))


def _wanted(readable: ItemFilter, asked: Mapping[str, str]) -> ItemFilter:
    """The filter that an address asks for, within what the person may read."""
    status, channel = asked["trang-thai"], asked["kenh"]
    return replace(
        readable,
        statuses=frozenset({Status(status)} if status in list(Status) else ()),
        channel=ChannelName(channel) if channel in list(ChannelName) else None,
        units=(asked["don-vi"],) if asked["don-vi"] else (),
        topics=(asked["chu-de"],) if asked["chu-de"] else (),
        words=asked["q"],
        cursor=asked["sau"],
        limit=_PAGE,
    )


async def show_calendar(visit: Visit) -> Response:
    """The items of a month or a week, day by day, with holidays."""
    asked = visit.request.query_params
    is_week = asked.get("xem") == "tuan"
    chosen = _day(asked.get("ngay", ""), visit.now.astimezone(VIETNAM).date())
    first, last = _week(chosen) if is_week else _month(chosen)
    wanted = replace(
        visit.editorial.readable,
        statuses=_PLANNED,
        after=_midnight(first),
        before=_midnight(last),
        order=Order.DATE,
        limit=_CALENDAR_MAX,
    )
    found = await visit.desk.services.index.find(wanted)
    return visit.page(
        "calendar.html",
        days=_days(visit.desk.services.working_days, first, last, found.rows),
        is_week=is_week,
        chosen=chosen,
        before=first - timedelta(days=1),
        after=last,
        is_cut=bool(found.next_cursor),
        now=visit.now,
    )


def _day(written: str, today: date) -> date:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return today
    return day if abs(day.year - today.year) <= _YEARS_AROUND else today


def _week(day: date) -> tuple[date, date]:
    first = day - timedelta(days=day.weekday())
    return first, first + timedelta(days=_DAYS_OF_WEEK)


def _month(day: date) -> tuple[date, date]:
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), VIETNAM)


class _Entry(NamedTuple):
    """An item on its day: a month has hundreds, and a template formats times slowly."""

    row: ItemRow
    at: str
    clock: str


def _days(
    known: WorkingDays, first: date, last: date, rows: tuple[ItemRow, ...]
) -> list[dict[str, Any]]:
    """Each day with its items, and whether it is a working day where that is known."""
    by_day: dict[date, list[_Entry]] = {}
    for row in rows:
        at = row.day.astimezone(VIETNAM)
        written = at.isoformat()
        by_day.setdefault(at.date(), []).append(_Entry(row, written, written[_CLOCK]))
    count = (last - first).days
    days = [first + timedelta(days=number) for number in range(count)]
    return [{"day": day, "entries": by_day.get(day, []), **_day_off(known, day)} for day in days]


def _day_off(days: WorkingDays, day: date) -> dict[str, Any]:
    """Whether a day is off, and its name; `is_known` says whether the year's days are."""
    try:
        return {"is_known": True, "is_off": not days.is_working(day), "name": days.name_of(day)}
    except UnknownYear:
        return {"is_known": False, "is_off": False, "name": ""}
