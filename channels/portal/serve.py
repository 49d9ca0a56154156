"""The portal's folder over HTTP: an ASGI app that knows files, and no other room."""

import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from channels.portal.conditional import not_modified
from channels.portal.served import Files, Served
from channels.portal.site import CANARY_PATH
from channels.portal.texts import say

METHODS = "GET, HEAD"
GUARDS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' https: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Stands on every answer."""


def portal_app(folder: Path, clock: Callable[[], float] = time.time) -> Starlette:
    """Serve `folder/public`, which a PortalChannel writes; may be mounted below a path."""
    return Starlette(routes=[Mount("/", app=_Portal(Files(folder / "public"), clock))])


class _Portal:
    def __init__(self, files: Files, clock: Callable[[], float]) -> None:
        self._files = files
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await WebSocketClose()(scope, receive, send)
        response = await self._answer(Request(scope, receive))
        response.headers.update(GUARDS)
        if _path(scope) == CANARY_PATH:
            response.headers.update({"X-Robots-Tag": "noindex", "Cache-Control": "no-store"})
        return await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in METHODS.split(", "):
            refused = say("answer", "wrong_method")
            return PlainTextResponse(refused, 405, headers={"Allow": METHODS})
        served = await self._find(_path(request.scope))
        if served is None:
            served = await self._find("/404.html")
        if served is None:
            return PlainTextResponse(say("answer", "missing"), 404)
        return self._of(served, request)

    async def _find(self, path: str) -> Served | None:
        file = self._files.locate(path)
        if file is None:
            return None
        return self._files.kept(file) or await run_in_threadpool(self._files.read, file)

    def _of(self, served: Served, request: Request) -> Response:
        """The file, or 304: only what would be a 200 can be "not modified"."""
        modified_s = int(min(served.modified_s, self._clock()))
        headers = {
            "ETag": served.tag,
            "Last-Modified": formatdate(modified_s, usegmt=True),
            "Cache-Control": served.lifetime if served.status != 404 else "no-cache",
            "Vary": "Accept-Encoding",
        }
        asked = request.headers
        tags = ", ".join(asked.getlist("if-none-match")) if "if-none-match" in asked else None
        since = asked.get("if-modified-since")
        if served.status == 200 and not_modified(served.tag, modified_s, tags, since):
            return Response(status_code=304, headers=headers)
        headers["Content-Length"] = str(len(served.body))
        body = b"" if request.method == "HEAD" else served.body
        return Response(body, served.status, headers, served.media_type)


def _path(scope: Scope) -> str:
    """The path below the place where this app is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"
