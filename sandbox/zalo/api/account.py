"""The sandbox's Official Account: profile, quota, broadcasts."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from aiohttp import web

from channels.zalo.clock import is_broadcast_time
from channels.zalo.stand_in import OA_ID
from sandbox.zalo.api import broadcast_audience, direct_messages
from sandbox.zalo.errors import ApiError
from sandbox.zalo.middleware import WORLD, ok, read_body
from sandbox.zalo.state.world import World
from sandbox.zalo.texts import TEXTS

_ARTICLES_MAX = 5
_PROFILE = {
    "oaid": OA_ID,
    "name": TEXTS["oa"]["name"],
    "is_verified": True,
    "cate_name": TEXTS["oa"]["category"],
}


async def profile(request: web.Request) -> web.Response:
    """`/v2.0/oa/getoa`."""
    world = request.app[WORLD]
    rules = world.rules
    changing = {
        "oa_type": rules.oa_type,
        "num_follower": rules.silent_followers + len(world.people.followers()),
        "package_name": TEXTS["package"]["free" if rules.free_package else "paid"],
        "linked_ZCA": "sandbox-zca" if rules.zca_linked else "",
    }
    return ok(_PROFILE | changing)


async def send_message(request: web.Request) -> web.Response:
    """`/v2.0/oa/message`: a broadcast, or a message to one person."""
    world, body = request.app[WORLD], await read_body(request)
    recipient = body.get("recipient")
    if isinstance(recipient, dict) and "target" in recipient:
        return _broadcast(world, body, recipient["target"])
    return direct_messages.send_v2(world, body)


def _broadcast(world: World, body: Mapping[str, Any], target: object) -> web.Response:
    """Accept a broadcast now and deliver it later. No call tells what became of it."""
    broadcast_audience.parse_target(target)
    ids = _article_ids(body)
    if not 1 <= len(ids) <= _ARTICLES_MAX or not all(_is_live(world, id) for id in ids):
        raise ApiError(-201, "attachment_id is invalid!")
    if not is_broadcast_time(world.clock()):
        raise ApiError(-234, "cannot be sent at night (10:00PM-6:00AM)")
    if world.broadcasts_left() <= 0:
        raise ApiError(-211, "Out of quota")
    message_id = token_hex(16)
    world.record("broadcast_sent", id=message_id, articles=ids, target=target)
    return ok({"message_id": message_id})


def _article_ids(body: Mapping[str, Any]) -> list[str]:
    try:
        payload = body["message"]["attachment"]["payload"]
        elements = payload["elements"] if payload["template_type"] == "media" else []
        return [str(part["attachment_id"]) for part in elements if part["media_type"] == "article"]
    except (KeyError, TypeError):
        return []


def _is_live(world: World, id: str) -> bool:
    return id in world.articles and world.articles[id].visible


async def account_quota(request: web.Request) -> web.Response:
    """`/v2.0/oa/quota/message`: the month's broadcasts."""
    world = request.app[WORLD]
    total, remaining = world.rules.broadcast_quota, world.broadcasts_left()
    return ok({"type": "active", "total": str(total), "remain": str(remaining)})
