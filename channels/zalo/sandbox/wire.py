"""How the sandbox answers: Zalo's envelope, its token check, its rate limit, its 404."""

import json
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from channels.zalo.envelope import whole
from channels.zalo.sandbox.world import INVALID, World

WORLD = web.AppKey("world", World)
OPEN = ("oauth.", "admin.", "page")
BUSINESS = "business."
TOKEN_HEADER = "access_token"  # noqa: S105 -- the name of a header
NOT_FOUND = 404


def ok(data: Any) -> web.Response:
    return web.json_response({"data": data, "error": 0, "message": "Success"})


def refuse(code: int, words: str, *, status: int = 200) -> web.Response:
    return web.json_response({"error": code, "message": words}, status=status)


class Refusal(Exception):
    """A handler's no."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


async def stamp(request: web.Request, answer: web.StreamResponse) -> None:
    """Every answer tells the sandbox's time, and what remains of this minute."""
    world = request.app[WORLD]
    answer.headers["Date"] = formatdate(world.clock(), usegmt=True)
    if guarded(request):
        answer.headers["X-RateLimit-Limit"] = str(world.rules.per_minute)
        answer.headers["X-RateLimit-Remain"] = str(world.remaining())


@web.middleware
async def spoken(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Unknown paths, wrong verbs and refusals, said as Zalo says them."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refuse(refusal.code, refusal.words)
    except web.HTTPMethodNotAllowed:
        return refuse(-200, f"{request.method} not supported")
    except web.HTTPNotFound:
        return refuse(-404, "empty or invalid API", status=NOT_FOUND)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The rate limit, then the token."""
    no = verdict(request)
    return await handler(request) if no is None else no


def verdict(request: web.Request) -> web.Response | None:
    """Zalo's no before it looks at the call itself, which is counted here."""
    if not guarded(request):
        return None
    world = request.app[WORLD]
    if not world.count_call():
        return refuse(-32, "Your application reached limit call api")
    if "access_token" in request.query:
        return wrong_place(request)
    code = world.judge_token(request.headers.get(TOKEN_HEADER, ""))
    return bad_token(request, code) if code else None


def bad_token(request: web.Request, code: int) -> web.Response:
    if (request.match_info.route.name or "").startswith(BUSINESS):
        return refuse(-124, "Access token invalid")
    words = "Access token is invalid" if code == INVALID else "access_token is expired or removed"
    return refuse(code, words)


def guarded(request: web.Request) -> bool:
    name = request.match_info.route.name
    return bool(name) and not str(name).startswith(OPEN)


def wrong_place(request: web.Request) -> web.Response:
    """A token in the query, as the first API had it."""
    if request.method == "GET":
        return refuse(-404, "empty or invalid API", status=NOT_FOUND)
    return refuse(-216, "Access token is invalid")


async def body_of(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(-201, "body is invalid!")
    return body


def data_of(request: web.Request) -> dict[str, Any]:
    """The parameters of a GET on `/oa/*`: one JSON value."""
    try:
        data = json.loads(request.query.get("data", ""))
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise Refusal(-201, "data is invalid!")
    return data


def number(given: Mapping[str, Any], name: str, default: int) -> int:
    """A whole number from 0 on, also as text."""
    found = whole(given.get(name, default))
    if found is None or found < 0:
        raise Refusal(-201, f"{name} is invalid!")
    return found


async def removed(request: web.Request) -> web.Response:  # noqa: ARG001 -- aiohttp's signature
    return refuse(-209, "API is not support", status=NOT_FOUND)
