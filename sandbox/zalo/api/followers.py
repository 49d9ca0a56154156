"""The sandbox's calls about people: lists, profiles, what is noted about them, their tags."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from aiohttp import web

from channels.zalo.client.clock import vietnam_time
from sandbox.zalo.api import direct_messages
from sandbox.zalo.middleware import WORLD, ApiError, ok, read_body, read_data, read_number
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.world import World
from sandbox.zalo.webhooks import events

PAGE_MAX, OFFSET_MAX = 50, 9951
NEVER = date.min
NOTED = ("user_alias", "user_external_id", "shared_info")


async def list_people(request: web.Request) -> web.Response:
    """`/v3.0/oa/user/getlist`: everybody who ever had to do with the Official Account."""
    world, data = request.app[WORLD], read_data(request)
    direct_messages.require_paid_package(world)
    found = matching_people(world, data)
    offset, count = page_bounds(data)
    users = [{"user_id": one.user_id} for one in found[offset : offset + count]]
    return ok({"total": len(found), "count": len(users), "offset": offset, "users": users})


def page_bounds(data: dict[str, Any]) -> tuple[int, int]:
    offset, count = read_number(data, "offset", 0), read_number(data, "count", PAGE_MAX)
    if offset > OFFSET_MAX or count > PAGE_MAX:
        raise ApiError(-210, "Parameter exceeds allowable limit")
    return offset, count


def matching_people(world: World, data: dict[str, Any]) -> list[Person]:
    found: Iterable[Person] = world.people.by_id.values()
    if data.get("tag_name"):
        members = world.people.tags.get(str(data["tag_name"]), [])
        found = [one for one in found if one.user_id in members]
    if data.get("is_follower") not in (None, ""):
        wanted = parse_follower_flag(data["is_follower"])
        found = [one for one in found if one.follower is wanted]
    if data.get("last_interaction_period"):
        since, until = parse_period(
            str(data["last_interaction_period"]), vietnam_time(world.clock()).date()
        )
        found = [one for one in found if since <= last_day(one) <= until]
    return list(found)


def parse_follower_flag(given: object) -> bool:
    flags = {"true": True, "false": False}
    if str(given).lower() not in flags:
        raise ApiError(-201, "is_follower is invalid!")
    return flags[str(given).lower()]


def parse_period(given: str, today: date) -> tuple[date, date]:
    """The first and the last day of it."""
    ago = {"TODAY": (0, 0), "YESTERDAY": (1, 1), "L7D": (7, 0), "L30D": (30, 0)}
    if given in ago:
        first, last = ago[given]
        return today - timedelta(days=first), today - timedelta(days=last)
    since, _, until = given.partition(":")
    try:
        return parse_day(since), parse_day(until)
    except ValueError as error:
        raise ApiError(-201, "last_interaction_period is invalid!") from error


def parse_day(given: str) -> date:
    return datetime.strptime(given, "%Y_%m_%d").date()  # noqa: DTZ007 -- a day in Vietnam


def last_day(person: Person) -> date:
    last = person.last_interaction
    return NEVER if last is None else vietnam_time(last).date()


async def person_detail(request: web.Request) -> web.Response:
    """`/v3.0/oa/user/detail`."""
    world, data = request.app[WORLD], read_data(request)
    direct_messages.require_paid_package(world)
    person = direct_messages.find_person(world, str(data.get("user_id", "")))
    if world.rules.closed_profiles and not person.follower:
        raise ApiError(-213, "User has not followed OA")
    return ok(profile(world, person))


def profile(world: World, person: Person) -> dict[str, Any]:
    last = person.last_interaction
    return {
        "user_id": person.user_id,
        "user_id_by_app": person.user_id_by_app,
        "user_external_id": person.external_id,
        "display_name": person.name,
        "user_alias": person.alias or person.name,
        "is_sensitive": person.age is not None and person.age < 18,
        "user_last_interaction_date": "" if last is None else f"{vietnam_time(last):%d/%m/%Y}",
        "user_is_follower": person.follower,
        "avatar": "",
        "avatars": {"120": "", "240": ""},
        "dynamic_param": "",
        "tags_and_notes_info": {
            "notes": person.notes,
            "tag_names": world.people.tags_of(person.user_id),
        },
        "shared_info": person.shared,
    }


async def update_person(request: web.Request) -> web.Response:
    """`/v3.0/oa/user/update`: what the Official Account notes about somebody."""
    world, body = request.app[WORLD], await read_body(request)
    person = direct_messages.find_person(world, str(body.get("user_id", "")))
    names = {"user_alias": "alias", "user_external_id": "external_id", "shared_info": "shared"}
    noted = {names[name]: body[name] for name in NOTED if name in body}
    world.record("person_set", person={"user_id": person.user_id, **noted})
    return ok({})


async def forget_person(request: web.Request) -> web.Response:
    """`/v2.0/oa/deletefollowerinfo`."""
    world, body = request.app[WORLD], await read_body(request)
    person = direct_messages.find_person(world, str(body.get("user_id", "")))
    world.record("info_deleted", user_id=person.user_id)
    return ok({})


def require_former_api(world: World) -> None:
    """The old calls are closed to businesses since 2024-06-01, and still serve state bodies."""
    direct_messages.require_paid_package(world)
    if world.rules.oa_type != direct_messages.STATE_BODY:
        raise ApiError(-240, "UserInfo API has been shut down, please switch to V3 API")


async def list_followers_v2(request: web.Request) -> web.Response:
    """`/v2.0/oa/getfollowers`."""
    world, data = request.app[WORLD], read_data(request)
    require_former_api(world)
    found = matching_people(world, {"tag_name": data.get("tag_name"), "is_follower": "true"})
    offset, count = page_bounds(data)
    users = [{"user_id": one.user_id} for one in found[offset : offset + count]]
    return ok({"total": len(found), "followers": users})


async def profile_v2(request: web.Request) -> web.Response:
    """`/v2.0/oa/getprofile`, also by phone."""
    world, data = request.app[WORLD], read_data(request)
    require_former_api(world)
    given = str(data.get("phone", "")).removeprefix("+")
    named = world.people.by_id.get(str(data.get("user_id", "")))
    person = named or world.people.with_phone(given)
    if person is None or not person.follower:
        raise ApiError(-213, "User has not followed OA")
    return ok(profile(world, person))


async def tag_person(request: web.Request) -> web.Response:
    """`tagfollower`: the tag comes into being with its first member."""
    world, body = request.app[WORLD], await read_body(request)
    name = tag_name(body)
    person = direct_messages.find_person(world, str(body.get("user_id", "")))
    if person.user_id not in world.people.tags.get(name, []):
        world.record("tagged", tag=name, user_id=person.user_id, cap=world.rules.tag_cap)
        raise_tag_event(world, "add_user_to_tag", name, [person.user_id])
    return ok({})


async def untag_person(request: web.Request) -> web.Response:
    world, body = request.app[WORLD], await read_body(request)
    name, user_id = tag_name(body), str(body.get("user_id", ""))
    if user_id not in world.people.tags.get(name, []):
        raise ApiError(-201, "tag_name is invalid!")
    world.record("untagged", tag=name, user_id=user_id)
    raise_tag_event(world, "remove_user_from_tag", name, [user_id])
    return ok({})


async def remove_tag(request: web.Request) -> web.Response:
    world, name = request.app[WORLD], tag_name(await read_body(request))
    if name not in world.people.tags:
        raise ApiError(-201, "tag_name is invalid!")
    members = list(world.people.tags[name])
    world.record("tag_removed", tag=name)
    raise_tag_event(world, "remove_tag", name, members)
    return ok({})


async def list_tags(request: web.Request) -> web.Response:
    return ok(list(request.app[WORLD].people.tags))


def tag_name(body: dict[str, Any]) -> str:
    name = body.get("tag_name")
    if not isinstance(name, str) or not name.strip():
        raise ApiError(-201, "tag_name is invalid!")
    return name


def raise_tag_event(world: World, event: str, tag: str, user_ids: list[str]) -> None:
    events.raise_account_event(world, event, tag={"name": tag, "user_ids": user_ids})
