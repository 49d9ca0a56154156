"""How the sandbox answers: Zalo's envelope, its token check, its rate limit, its 404."""

from email.utils import formatdate
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from channels.zalo.sandbox.world import World

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
    if not guarded(request):
        return await handler(request)
    world = request.app[WORLD]
    if not world.count_call():
        return refuse(-32, "Your application reached limit call api")
    if "access_token" in request.query:
        return wrong_place(request)
    business = (request.match_info.route.name or "").startswith(BUSINESS)
    code = world.judge_token(request.headers.get(TOKEN_HEADER, ""))
    if code and business:
        return refuse(-124, "Access token invalid")
    if code:
        return refuse(
            code, "Access token is invalid" if code == -216 else "access_token is expired"
        )
    return await handler(request)


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


async def removed(request: web.Request) -> web.Response:  # noqa: ARG001 -- aiohttp's signature
    return refuse(-209, "API is not support", status=NOT_FOUND)
