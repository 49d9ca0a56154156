"""The sandbox's article calls, as strict as Zalo was seen to be."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from aiohttp import web

from channels.zalo.envelope import whole
from channels.zalo.sandbox import rules
from channels.zalo.sandbox.consult import paid_package
from channels.zalo.sandbox.wire import WORLD, Refusal, body_of, ok
from channels.zalo.sandbox.world import Item, World

PAGE_MAX = 10
TRIES, PAUSE_S = 3, 300.0


@dataclass
class Waiting:
    """What was handed in and can't become an article yet: its pictures can't be fetched."""

    id: str
    payload: dict[str, Any]
    kind: str


@dataclass
class Desk:
    """Zalo's processing, which a restart forgets."""

    polls: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    failures: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


DESK = web.AppKey("desk", Desk)


async def create(request: web.Request) -> web.Response:
    world, payload = request.app[WORLD], await body_of(request)
    paid_package(world)
    rules.check(payload, world.rules)
    if world.articles_left() <= 0:
        raise Refusal(-223, "Your OA has reach the limit quota create article")
    return ok({"token": take(request, token_hex(10), payload, "article_created")})


async def update(request: web.Request) -> web.Response:
    world, payload = request.app[WORLD], await body_of(request)
    item = known(world, payload.pop("id", None))
    rules.check(payload, world.rules)
    token = take(request, item.id, payload, "article_updated")
    return ok({"token": token} if world.rules.update_token else {"id": item.id})


def take(request: web.Request, id: str, payload: dict[str, Any], kind: str) -> str:
    """Hand it to processing. What has its pictures is there at once, verified or not."""
    world, desk = request.app[WORLD], request.app[DESK]
    token = token_hex(24)
    payload.setdefault("status", "hide")
    desk.polls[token] = world.rules.processing
    if rules.broken(payload, world.rules):
        desk.waiting[token] = Waiting(id, payload, kind)
    else:
        world.record(kind, id=id, token=token, payload=payload)
    return token


async def verify(request: web.Request) -> web.Response:
    world, desk = request.app[WORLD], request.app[DESK]
    token = str((await body_of(request)).get("token", ""))
    if token not in world.by_token and token not in desk.waiting:
        raise Refusal(-201, "token is invalid!")
    if desk.polls[token] > 0:
        desk.polls[token] -= 1
        raise Refusal(-214, "Article is being processed")
    if token in desk.waiting:
        fetch(world, desk, token)
    return ok({"id": world.by_token[token]})


def fetch(world: World, desk: Desk, token: str) -> None:
    """Try once more for the pictures."""
    waiting, now = desk.waiting[token], world.clock()
    recent = [at for at in desk.failures[token] if now - at < PAUSE_S]
    desk.failures[token] = recent
    if len(recent) >= TRIES:
        raise Refusal(-200, "Too many failed attempts")
    if rules.broken(waiting.payload, world.rules):
        recent.append(now)
        raise Refusal(-200, "Upload media failed")
    world.record(waiting.kind, id=waiting.id, token=token, payload=waiting.payload)
    del desk.waiting[token]


async def remove(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    item = known(world, (await body_of(request)).get("id"))
    world.record("article_removed", id=item.id)
    return ok({})


async def detail(request: web.Request) -> web.Response:
    item = known(request.app[WORLD], request.query.get("id"))
    return ok({**item.payload, "id": item.id, "total_view": 0})


async def listing(request: web.Request) -> web.Response:
    """`getslice`: newest first, ten at most, flat parameters only."""
    query = request.query
    if query.get("type") not in ("normal", "video"):
        raise Refusal(-201, "type accept only 2 value normal and video.")
    limit, offset = whole(query.get("limit", "10")), whole(query.get("offset", "0"))
    if limit is None or offset is None or min(limit, offset) < 0:
        raise Refusal(-201, "limit is invalid!")
    if limit > PAGE_MAX:
        raise Refusal(-201, "maximum limit is 10")
    items = sorted(request.app[WORLD].articles.values(), key=lambda item: -item.created)
    mine = items if query["type"] == "normal" else []
    medias = [shown(item) for item in mine[offset : offset + limit]]
    return ok({"medias": medias, "total": len(mine)})


def shown(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "type": "normal",
        "title": item.payload["title"],
        "status": item.payload["status"],
        "total_view": 0,
        "total_share": 0,
        "create_date": round(item.created * 1000),
        "update_date": round(item.updated * 1000),
        "thumb": item.payload["cover"]["photo_url"],
        "link_view": f"https://rd.zapps.vn/detail/sandbox?id={item.id}",
    }


def known(world: World, id: object) -> Item:
    item = world.articles.get(id) if isinstance(id, str) else None
    if item is None:
        raise Refusal(-201, "id is invalid!")
    return item
