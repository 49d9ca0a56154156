"""The HTTP server: one port, and one ASGI app for each first part of the path."""

import asyncio
import socket
from contextlib import AbstractContextManager, nullcontext

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from consumers.app.web.protocol import BoundedHttpProtocol, PreparedAnswer


class AppRouter:
    """ASGI apps, chosen by the first part of the path."""

    def __init__(self) -> None:
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._find_app(scope)(scope, receive, send)

    def at_once(self, scope: Scope) -> tuple[bytes, bytes] | None:
        """The prepared answer of this path's app, if there is one."""
        prepare = self._at_once.get(self._find_app(scope))
        return prepare(scope) if prepare else None

    def _find_app(self, scope: Scope) -> ASGIApp:
        path = scope["path"] if scope["type"] == "http" else ""  # `*`: OPTIONS of the whole server
        return self.apps.get(path.removeprefix("/").partition("/")[0], self.fallback)


def bind_socket(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 lets the system choose. Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=2048)
    bound.setblocking(False)
    return bound


def socket_url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 -- only compared
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


class WebServer(uvicorn.Server):
    """uvicorn without its own signal handling: the composition root stops everything in order."""

    def __init__(self, app: ASGIApp, trusted_proxies: str = "") -> None:
        """*trusted_proxies*: addresses and networks whose X-Forwarded-For is believed."""
        config = uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            forwarded_allow_ips=trusted_proxies,
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
