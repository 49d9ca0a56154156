"""The sandbox's Official Account: its profile, its quotas, its broadcasts, its history."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from aiohttp import web

from channels.zalo.client.clock import is_broadcast_time
from channels.zalo.stand_in import OA_ID
from sandbox.zalo.api import broadcast_audience, direct_messages
from sandbox.zalo.middleware import WORLD, ApiError, ok, read_body, read_data, read_number
from sandbox.zalo.state.conversations import Message
from sandbox.zalo.state.world import World, month_label
from sandbox.zalo.texts import TEXTS
from sandbox.zalo.webhooks.events import milliseconds

ARTICLES_MAX = 5
HISTORY_MAX = 10
PROFILE = {
    "oaid": OA_ID,
    "name": TEXTS["oa"]["name"],
    "is_verified": True,
    "cate_name": TEXTS["oa"]["category"],
}


async def profile(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    rules = world.rules
    changing = {
        "oa_type": rules.oa_type,
        "num_follower": rules.silent_followers + len(world.people.followers()),
        "package_name": TEXTS["package"]["free" if rules.free_package else "paid"],
        "linked_ZCA": "sandbox-zca" if rules.zca_linked else "",
    }
    return ok(PROFILE | changing)


async def send_message(request: web.Request) -> web.Response:
    """A broadcast, an icon under a message, or a message to one person."""
    world, body = request.app[WORLD], await read_body(request)
    recipient = body.get("recipient")
    if isinstance(recipient, dict) and "target" in recipient:
        return broadcast(world, body, recipient["target"])
    if "sender_action" in body:
        return direct_messages.add_reaction(world, body)
    return direct_messages.send_v2(world, body)


def broadcast(world: World, body: Mapping[str, Any], target: object) -> web.Response:
    """Accepted now, delivered later; nobody can ask what became of it."""
    broadcast_audience.parse_target(target)
    ids = article_ids(body)
    if not 1 <= len(ids) <= ARTICLES_MAX or not all(is_live(world, id) for id in ids):
        raise ApiError(-201, "attachment_id is invalid!")
    if not is_broadcast_time(world.clock()):
        raise ApiError(-234, "cannot be sent at night (10:00PM-6:00AM)")
    if world.broadcasts_left() <= 0:
        raise ApiError(-211, "Out of quota")
    message_id = token_hex(16)
    world.record("broadcast_sent", id=message_id, articles=ids, target=target)
    return ok({"message_id": message_id})


def article_ids(body: Mapping[str, Any]) -> list[str]:
    try:
        payload = body["message"]["attachment"]["payload"]
        elements = payload["elements"] if payload["template_type"] == "media" else []
        return [str(part["attachment_id"]) for part in elements if part["media_type"] == "article"]
    except (KeyError, TypeError):
        return []


def is_live(world: World, id: str) -> bool:
    return id in world.articles and world.articles[id].visible


async def account_quota(request: web.Request) -> web.Response:
    """The old form: of the month, of the replies to one message, of promotions to one person."""
    world, body = request.app[WORLD], await read_body(request)
    if "message_id" in body:
        direct_messages.find_recipient(world, {"message_id": body["message_id"]})
        return ok(
            {
                "type": "reply",
                "total": str(direct_messages.REPLIES),
                "remain": str(direct_messages.REPLIES),
            }
        )
    if "user_id" in body:
        direct_messages.find_person(world, str(body["user_id"]))
        return ok({"type": "promotion", "total": "0", "remain": "0"})
    total, remain = world.rules.broadcast_quota, world.broadcasts_left()
    return ok({"type": "active", "total": str(total), "remain": str(remain)})


async def person_quota(request: web.Request) -> web.Response:
    """What may still be sent to one person, or what the Official Account bought."""
    world, body = request.app[WORLD], await read_body(request)
    if "quota_owner" in body:
        return ok([bought_quota(world)])
    person = direct_messages.find_person(world, str(body.get("user_id", "")))
    last = person.last_interaction
    recent = last is not None and world.clock() - last < direct_messages.FREE_WINDOW_S
    answer = {
        "last_interaction": milliseconds(last) if last is not None else "",
        "cs_reply": {
            "remain": direct_messages.REPLIES if recent else 0,
            "total": direct_messages.REPLIES,
        },
        "promotion": dict.fromkeys(
            ("daily_remain", "daily_total", "monthly_remain", "monthly_total"), 0
        ),
    }
    return ok(answer)


def bought_quota(world: World) -> dict[str, Any]:
    total = world.rules.free_messages
    return {
        "asset_id": f"sandbox-{month_label(world.clock())}",
        "product_type": "cs",
        "quota_type": "sub_quota",
        "valid_through": month_label(world.clock()),
        "total": total,
        "remain": max(0, direct_messages.free_messages_left(world)),
    }


async def recent_chats(request: web.Request) -> web.Response:
    """The last message with each person, newest first."""
    world = request.app[WORLD]
    latest = {one.user_id: one for one in world.conversations.messages.values() if one.user_id}
    return history_response(request, list(latest.values()))


async def conversation(request: web.Request) -> web.Response:
    person = direct_messages.find_person(
        request.app[WORLD], str(read_data(request).get("user_id", ""))
    )
    return history_response(request, request.app[WORLD].conversations.messages_with(person.user_id))


def history_response(request: web.Request, messages: list[Message]) -> web.Response:
    """`data` is a bare list: ten at most, newest first."""
    data = read_data(request)
    offset, count = read_number(data, "offset", 0), read_number(data, "count", HISTORY_MAX)
    if count > HISTORY_MAX:
        raise ApiError(-210, "Parameter exceeds allowable limit")
    newest = sorted(messages, key=lambda one: one.at)[::-1][offset : offset + count]
    return ok([history_entry(request.app[WORLD], one) for one in newest])


def history_entry(world: World, message: Message) -> dict[str, Any]:
    oa, person = (OA_ID, PROFILE["name"]), world.people.by_id[message.user_id]
    ends = [oa, (person.user_id, person.name)]
    (from_id, from_name), (to_id, to_name) = ends if message.from_oa else reversed(ends)
    return {
        "message_id": message.id,
        "src": 0 if message.from_oa else 1,
        "time": round(message.at * 1000),
        "type": message.sort,
        "message": message.content.get("text", ""),
        "from_id": from_id,
        "to_id": to_id,
        "from_display_name": from_name,
        "to_display_name": to_name,
        "from_avatar": "",
        "to_avatar": "",
    }
