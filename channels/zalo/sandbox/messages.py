"""The sandbox's Official Account: its profile, its quotas, its broadcasts."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from aiohttp import web

from channels.zalo.hours import broadcasting
from channels.zalo.sandbox.oauth import OA_ID
from channels.zalo.sandbox.wire import WORLD, Refusal, body_of, ok
from channels.zalo.sandbox.world import World

ARTICLES_MAX = 5
DELIVERY_S = 1800.0
PROFILE = {
    "oaid": OA_ID,
    "name": "Bộ Nội vụ (Zalo mô phỏng)",
    "is_verified": True,
    "oa_type": 4,
    "cate_name": "Cơ quan nhà nước",
    "num_follower": 11000,
    "package_name": "Tiêu chuẩn",
    "linked_ZCA": "",
}


async def profile(request: web.Request) -> web.Response:  # noqa: ARG001 -- aiohttp's signature
    return ok(PROFILE)


async def message(request: web.Request) -> web.Response:
    """A broadcast; there are no followers to write to one by one."""
    world, body = request.app[WORLD], await body_of(request)
    recipient = body.get("recipient")
    if not isinstance(recipient, dict) or "target" not in recipient:
        raise Refusal(-213, "User has not followed OA")
    ids = attached(body)
    if not 1 <= len(ids) <= ARTICLES_MAX or not all(live(world, id) for id in ids):
        raise Refusal(-201, "attachment_id is invalid!")
    if not broadcasting(world.clock()):
        raise Refusal(-234, "cannot be sent at night (10:00PM-6:00AM)")
    if world.broadcasts_left() <= 0:
        raise Refusal(-211, "Out of quota")
    message_id = token_hex(16)
    world.record("broadcast_sent", id=message_id, articles=ids, target=recipient["target"])
    return ok({"message_id": message_id})


def attached(body: Mapping[str, Any]) -> list[str]:
    try:
        payload = body["message"]["attachment"]["payload"]
        elements = payload["elements"] if payload["template_type"] == "media" else []
        return [str(part["attachment_id"]) for part in elements if part["media_type"] == "article"]
    except (KeyError, TypeError):
        return []


def live(world: World, id: str) -> bool:
    return id in world.articles and world.articles[id].visible


async def oa_quota(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    total, remain = world.rules.broadcast_quota, world.broadcasts_left()
    return ok({"type": "active", "total": str(total), "remain": str(remain)})


async def business_quota(request: web.Request) -> web.Response:  # noqa: ARG001
    return ok({"dailyQuota": 20000, "remainingQuota": 20000})
