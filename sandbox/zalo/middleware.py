"""Middleware of the sandbox: Zalo's envelope, rate limit, access token, and errors."""

import json
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from channels.zalo.client.response import whole_number
from contracts.base.security_headers import SECURITY_HEADERS
from sandbox.zalo.errors import ApiError
from sandbox.zalo.state.world import INVALID, World

WORLD = web.AppKey("world", World)
_OPEN_ROUTES = ("oauth.", "admin.", "page")
_BUSINESS_ROUTES = "business."
_TOKEN_HEADER = "access_token"  # noqa: S105 -- the name of a header
_NOT_FOUND = 404


def ok(data: Any) -> web.Response:
    return web.json_response({"data": data, "error": 0, "message": "Success"})


def error_response(code: int, message: str, *, status: int = 200) -> web.Response:
    return web.json_response({"error": code, "message": message}, status=status)


async def add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """Add the sandbox's time, the rest of this minute's calls, and the security headers."""
    world = request.app[WORLD]
    for name, value in SECURITY_HEADERS.items():
        answer.headers.setdefault(name, value)
    answer.headers["Date"] = formatdate(world.clock(), usegmt=True)
    if _needs_token(request):
        answer.headers["X-RateLimit-Limit"] = str(world.rules.per_minute)
        answer.headers["X-RateLimit-Remain"] = str(world.calls_left())


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer unknown paths, wrong methods and errors as Zalo does."""
    try:
        return await handler(request)
    except ApiError as refusal:
        return error_response(refusal.code, refusal.message)
    except web.HTTPMethodNotAllowed:
        return error_response(-200, f"{request.method} not supported")
    except web.HTTPNotFound:
        return error_response(-404, "empty or invalid API", status=_NOT_FOUND)


@web.middleware
async def access_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check the rate limit, then the token."""
    no = access_error(request)
    return await handler(request) if no is None else no


def access_error(request: web.Request) -> web.Response | None:
    """The error of a call without access; None for access. The call is counted here."""
    if not _needs_token(request):
        return None
    world = request.app[WORLD]
    if not world.count_call():
        return error_response(-32, "Your application reached limit call api")
    if "access_token" in request.query:
        return _token_in_query_error(request)
    code = world.check_token(request.headers.get(_TOKEN_HEADER, ""))
    return _token_error(request, code) if code else None


def _token_error(request: web.Request, code: int) -> web.Response:
    if (request.match_info.route.name or "").startswith(_BUSINESS_ROUTES):
        return error_response(-124, "Access token invalid")
    message = "Access token is invalid" if code == INVALID else "access_token is expired or removed"
    return error_response(code, message)


def _needs_token(request: web.Request) -> bool:
    name = request.match_info.route.name
    return bool(name) and not str(name).startswith(_OPEN_ROUTES)


def _token_in_query_error(request: web.Request) -> web.Response:
    """The error for a token in the query, its place in the first API."""
    if request.method == "GET":
        return error_response(-404, "empty or invalid API", status=_NOT_FOUND)
    return error_response(-216, "Access token is invalid")


async def read_body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(-201, "body is invalid!")
    return body


def read_data(request: web.Request) -> dict[str, Any]:
    """The parameters of a GET on `/oa/*`: one JSON value."""
    try:
        data = json.loads(request.query.get("data", ""))
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ApiError(-201, "data is invalid!")
    return data


def read_number(fields: Mapping[str, Any], name: str, default: int) -> int:
    """A whole number from 0 on, also as text."""
    number = whole_number(fields.get(name, default))
    if number is None or number < 0:
        raise ApiError(-201, f"{name} is invalid!")
    return number
