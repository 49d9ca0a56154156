"""Article calls, as strict as Zalo's observed behaviour."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from aiohttp import web

from channels.zalo.client.response import whole_number
from sandbox.zalo.api import article_rules
from sandbox.zalo.api.direct_messages import require_paid_package
from sandbox.zalo.errors import ApiError
from sandbox.zalo.middleware import WORLD, ok, read_body
from sandbox.zalo.state.world import StoredArticle, World

_PAGE_MAX = 10
_TRIES, _PAUSE_S = 3, 300.0


@dataclass
class PendingArticle:
    """A submitted article whose pictures cannot be fetched yet."""

    id: str
    payload: dict[str, Any]
    kind: str


@dataclass
class ProcessingState:
    """Articles in processing; lost on a restart."""

    polls: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, PendingArticle] = field(default_factory=dict)
    failures: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


PROCESSING = web.AppKey("desk", ProcessingState)


async def create(request: web.Request) -> web.Response:
    world, payload = request.app[WORLD], await read_body(request)
    require_paid_package(world)
    article_rules.check_article(payload)
    if world.articles_left() <= 0:
        raise ApiError(-223, "Your OA has reach the limit quota create article")
    return ok({"token": _submit(request, token_hex(10), payload, "article_created")})


async def update(request: web.Request) -> web.Response:
    world, payload = request.app[WORLD], await read_body(request)
    item = _find_article(world, payload.pop("id", None))
    article_rules.check_article(payload)
    token = _submit(request, item.id, payload, "article_updated")
    return ok({"token": token} if world.rules.update_token else {"id": item.id})


def _submit(request: web.Request, id: str, payload: dict[str, Any], kind: str) -> str:
    """Submit an article. With its pictures it exists at once, verified or not."""
    world, desk = request.app[WORLD], request.app[PROCESSING]
    token = token_hex(24)
    payload.setdefault("status", "hide")
    desk.polls[token] = world.rules.processing
    if article_rules.has_broken_image(payload, world.rules):
        desk.waiting[token] = PendingArticle(id, payload, kind)
    else:
        world.record(kind, id=id, token=token, payload=payload)
    return token


async def verify(request: web.Request) -> web.Response:
    world, desk = request.app[WORLD], request.app[PROCESSING]
    token = str((await read_body(request)).get("token", ""))
    if token not in world.by_token and token not in desk.waiting:
        raise ApiError(-201, "token is invalid!")
    if desk.polls[token] > 0:
        desk.polls[token] -= 1
        raise ApiError(-214, "Article is being processed")
    if token in desk.waiting:
        _retry_images(world, desk, token)
    return ok({"id": world.by_token[token]})


def _retry_images(world: World, desk: ProcessingState, token: str) -> None:
    """Try once more to fetch the pictures."""
    waiting, now = desk.waiting[token], world.clock()
    recent = [at for at in desk.failures[token] if now - at < _PAUSE_S]
    desk.failures[token] = recent
    if len(recent) >= _TRIES:
        raise ApiError(-200, "Too many failed attempts")
    if article_rules.has_broken_image(waiting.payload, world.rules):
        recent.append(now)
        raise ApiError(-200, "Upload media failed")
    world.record(waiting.kind, id=waiting.id, token=token, payload=waiting.payload)
    del desk.waiting[token]


async def remove(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    item = _find_article(world, (await read_body(request)).get("id"))
    world.record("article_removed", id=item.id)
    return ok({})


async def detail(request: web.Request) -> web.Response:
    item = _find_article(request.app[WORLD], request.query.get("id"))
    return ok({**item.payload, "id": item.id, "total_view": 0})


async def list_articles(request: web.Request) -> web.Response:
    """`getslice`: newest first, ten at most, flat parameters only."""
    query = request.query
    if query.get("type") not in ("normal", "video"):
        raise ApiError(-201, "type accept only 2 value normal and video.")
    limit, offset = whole_number(query.get("limit", "10")), whole_number(query.get("offset", "0"))
    if limit is None or offset is None or min(limit, offset) < 0:
        raise ApiError(-201, "limit is invalid!")
    if limit > _PAGE_MAX:
        raise ApiError(-201, "maximum limit is 10")
    items = sorted(request.app[WORLD].articles.values(), key=lambda item: -item.created)
    listed = items if query["type"] == "normal" else []
    medias = [_list_entry(item) for item in listed[offset : offset + limit]]
    return ok({"medias": medias, "total": len(listed)})


def _list_entry(item: StoredArticle) -> dict[str, Any]:
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


def _find_article(world: World, id: object) -> StoredArticle:
    item = world.articles.get(id) if isinstance(id, str) else None
    if item is None:
        raise ApiError(-201, "id is invalid!")
    return item
