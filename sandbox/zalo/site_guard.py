"""Refuses requests that a page of another site makes a browser send to the sandbox."""

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from channels.email.settings import is_loopback
from contracts.base.fetch_metadata import is_cross_site_request
from sandbox.zalo.middleware import error_response

LOOPBACK_ONLY = web.AppKey("loopback_only", bool)
"""Whether the sandbox listens on this machine alone."""
_CONTROLS = "/_sandbox/"
_JSON = "application/json"


@web.middleware
async def site_guard_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    refusal = _refusal(request)
    return await handler(request) if refusal is None else refusal


def _refusal(request: web.Request) -> web.Response | None:
    """The answer to a request of another site; None for all others."""
    if request.app[LOOPBACK_ONLY] and not is_loopback(request.url.host or ""):
        return _refuse(HTTPStatus.MISDIRECTED_REQUEST, "this name is not the sandbox's")
    if is_cross_site_request(request.headers):
        return _refuse(HTTPStatus.FORBIDDEN, "a page of another site sent this")
    is_control = request.path.startswith(_CONTROLS) and request.body_exists
    if is_control and request.content_type != _JSON:
        return _refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {_JSON}")
    return None


def _refuse(status: HTTPStatus, words: str) -> web.Response:
    return error_response(-status.value, words, status=status.value)
