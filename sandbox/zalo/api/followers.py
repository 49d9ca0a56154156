"""Calls about people: the list of people, and the erasure of notes about a person."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from aiohttp import web

from contracts.base.times import vietnam_time
from sandbox.zalo.api import direct_messages
from sandbox.zalo.errors import ApiError
from sandbox.zalo.middleware import WORLD, ok, read_body, read_data, read_number
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.world import World

_PAGE_MAX, _OFFSET_MAX = 50, 9951
_NEVER = date.min


async def list_people(request: web.Request) -> web.Response:
    """`/v3.0/oa/user/getlist`: all people who follow, have followed or have written."""
    world, data = request.app[WORLD], read_data(request)
    direct_messages.require_paid_package(world)
    people = _matching_people(world, data)
    offset, count = _page_bounds(data)
    users = [{"user_id": person.user_id} for person in people[offset : offset + count]]
    return ok({"total": len(people), "count": len(users), "offset": offset, "users": users})


def _page_bounds(data: dict[str, Any]) -> tuple[int, int]:
    offset, count = read_number(data, "offset", 0), read_number(data, "count", _PAGE_MAX)
    if offset > _OFFSET_MAX or count > _PAGE_MAX:
        raise ApiError(-210, "Parameter exceeds allowable limit")
    return offset, count


def _matching_people(world: World, data: dict[str, Any]) -> list[Person]:
    people: Iterable[Person] = world.people.by_id.values()
    if data.get("is_follower") not in (None, ""):
        is_follower = _parse_follower_flag(data["is_follower"])
        people = [person for person in people if person.follower is is_follower]
    if data.get("last_interaction_period"):
        since, until = _parse_period(
            str(data["last_interaction_period"]), vietnam_time(world.clock()).date()
        )
        people = [person for person in people if since <= _last_day(person) <= until]
    return list(people)


def _parse_follower_flag(flag: object) -> bool:
    flags = {"true": True, "false": False}
    if str(flag).lower() not in flags:
        raise ApiError(-201, "is_follower is invalid!")
    return flags[str(flag).lower()]


def _parse_period(text: str, today: date) -> tuple[date, date]:
    """The first and the last day of the period."""
    ago = {"TODAY": (0, 0), "YESTERDAY": (1, 1), "L7D": (7, 0), "L30D": (30, 0)}
    if text in ago:
        first, last = ago[text]
        return today - timedelta(days=first), today - timedelta(days=last)
    since, _, until = text.partition(":")
    try:
        return _parse_day(since), _parse_day(until)
    except ValueError as error:
        raise ApiError(-201, "last_interaction_period is invalid!") from error


def _parse_day(text: str) -> date:
    return datetime.strptime(text, "%Y_%m_%d").date()  # noqa: DTZ007 -- a day in Vietnam


def _last_day(person: Person) -> date:
    last = person.last_interaction
    return _NEVER if last is None else vietnam_time(last).date()


async def forget_person(request: web.Request) -> web.Response:
    """`/v2.0/oa/deletefollowerinfo`."""
    world, body = request.app[WORLD], await read_body(request)
    person = direct_messages.find_person(world, str(body.get("user_id", "")))
    world.record("info_deleted", user_id=person.user_id)
    return ok({})
