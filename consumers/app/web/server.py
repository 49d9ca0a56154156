"""The HTTP server: one port, and one ASGI app for each first part of the path."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consumers.app.web.connection_limits import ConnectionLimits
from consumers.app.web.protocol import BoundedHttpProtocol, PreparedAnswer
from consumers.app.web.proxies import ForwardedClient, TrustedProxies
from contracts.base.networks import http_url
from contracts.base.security_headers import (
    HSTS,
    SECURITY_HEADERS,
    Header,
    add_missing,
    header_lines,
    raw_headers,
)

_HEADERS = raw_headers(SECURITY_HEADERS)
[_HSTS] = raw_headers(HSTS)


class AppRouter:
    """ASGI apps, chosen by the first part of the path; every answer has the security headers."""

    def __init__(self) -> None:
        self.security_headers: Sequence[Header] = _HEADERS
        self.apps: dict[str, ASGIApp] = {}
        self.fallback: ASGIApp = PlainTextResponse("Not found", 404)
        self._at_once: dict[ASGIApp, PreparedAnswer] = {}

    def add(self, app: ASGIApp, *heads: str) -> None:
        """Give *app* every path below `/<head>`; without heads, all other paths."""
        self.apps.update(dict.fromkeys(heads, app))
        if not heads:
            self.fallback = app
        if at_once := getattr(app, "at_once", None):
            self._at_once[app] = at_once

    def require_https(self, hsts: Mapping[str, str] = HSTS) -> None:
        """Tell browsers to come by https only, from now on (HSTS)."""
        self.security_headers = raw_headers({**SECURITY_HEADERS, **hsts})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_started = False

        async def send_secured(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                headers = add_missing(message.get("headers", ()), self.security_headers)
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._find_app(scope)(scope, receive, send_secured)
        except Exception:
            if not is_started:
                await _CRASHED(scope, receive, send_secured)
            raise

    def at_once(self, scope: Scope) -> tuple[bytes, bytes] | None:
        """The prepared answer of this path's app, which has the security headers but for HSTS."""
        prepare = self._at_once.get(self._find_app(scope))
        prepared = prepare(scope) if prepare else None
        if prepared is None or _HSTS not in self.security_headers:
            return prepared
        head, body = prepared
        return head + header_lines([_HSTS]), body

    def _find_app(self, scope: Scope) -> ASGIApp:
        path = scope["path"] if scope["type"] == "http" else ""  # `*`: OPTIONS of the whole server
        return self.apps.get(path.removeprefix("/").partition("/")[0], self.fallback)


_CRASHED = PlainTextResponse("Internal Server Error", 500)


_KEEP_ALIVE_S = 75
"""An idle connection stays open longer than in proxies and browsers (nginx: 60 s), so that they end
it: a request that meets the server's own end is lost, and nginx answers 502 for a POST.
"""
_UNSENT_MAX = 64 << 10
"""Bytes of an answer that the system takes before they can be sent; without it 2.5 MB a peer, and
the time to copy them, also for peers that do not read.
"""


def bind_socket(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 lets the system choose. Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=2048)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_MAX)
    bound.setblocking(False)
    return bound


def socket_url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return http_url(host, port)


def _limited_protocol(
    limits: ConnectionLimits, headers: Sequence[Header]
) -> type[BoundedHttpProtocol]:
    """The protocol of one server; its connections share *limits*."""
    shared = {"limits": limits, "security_headers": headers}
    return type("LimitedHttpProtocol", (BoundedHttpProtocol,), shared)


class WebServer(uvicorn.Server):
    """uvicorn without its own signal handling: the composition root stops everything in order."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits | None = None) -> None:
        """*limits* knows the proxies whose X-Forwarded-For is believed; without it, none is."""
        limits = limits or ConnectionLimits(proxies=TrustedProxies())
        config = uvicorn.Config(
            ForwardedClient(app, limits.proxies),
            http=_limited_protocol(limits, getattr(app, "security_headers", _HEADERS)),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def until_started(self, serving: asyncio.Task[None]) -> None:
        """Return once requests are answered; raises what kept the server from starting."""
        while not self.started:
            await asyncio.wait({serving}, timeout=0.005)
            if serving.done():
                serving.result()

    async def finish(self, serving: asyncio.Task[None]) -> None:
        self.should_exit = True
        await serving
