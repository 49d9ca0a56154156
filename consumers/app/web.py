"""One port for every HTTP face: the doors, the portal, the mailbox, and the health checks."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from consumers.app.protocol import AtOnce, Bounded
from consumers.control import PAUSED
from consumers.room import ALMOST_FULL

log = structlog.get_logger()
Check = Callable[[], Awaitable[str | None]]
"""Names what is wrong, or None."""
Standing = Callable[[], dict[str, str]]
"""Which channels stand still, and why."""


Canaries = Callable[[], Awaitable[dict[str, dict[str, Any]]]]
"""What the canaries prove of each channel."""
Filling = Callable[[], dict[str, int]]
"""Which streams and buckets fill up, in percent."""
Unseen = Callable[[], Awaitable[dict[str, Any]]]
"""Where readers can't see what the portal has written, and why."""


def nobody() -> dict[str, str]:
    """No channel stands still."""
    return {}


def all_empty() -> dict[str, int]:
    """No stream fills up."""
    return {}


async def no_canaries() -> dict[str, dict[str, Any]]:
    return {}


async def nothing_unseen() -> dict[str, Any]:
    return {}


class Faces:
    """Whole ASGI apps side by side, chosen by the first part of the path."""

    def __init__(self) -> None:
        self.apps: dict[str, ASGIApp] = {}
        self.fallback: ASGIApp = PlainTextResponse("Not found", 404)
        self._at_once: dict[ASGIApp, AtOnce] = {}

    def add(self, app: ASGIApp, *heads: str) -> None:
        """Give *app* every path below `/<head>`; without heads, whatever nobody else has."""
        self.apps.update(dict.fromkeys(heads, app))
        if not heads:
            self.fallback = app
        if at_once := getattr(app, "at_once", None):
            self._at_once[app] = at_once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._chosen(scope)(scope, receive, send)

    def at_once(self, scope: Scope) -> tuple[bytes, bytes] | None:
        """What the app of this path has at hand, if it has anything at all."""
        found = self._at_once.get(self._chosen(scope))
        return found(scope) if found else None

    def _chosen(self, scope: Scope) -> ASGIApp:
        path = scope["path"] if scope["type"] == "http" else ""  # `*`: OPTIONS of the whole server
        return self.apps.get(path.removeprefix("/").partition("/")[0], self.fallback)


def health(
    checks: dict[str, Check],
    standing: Standing = nobody,
    canaries: Canaries = no_canaries,
    filling: Filling = all_empty,
    unseen: Unseen = nothing_unseen,
) -> ASGIApp:
    """`/livez`: the process answers. `/readyz`: everything it needs does too, each by name.

    Channels that stand still, or whose canary is late, are named there as well. They are no failure
    of this process: taking it out of service would help nobody. A pause is no trouble at all.
    Streams that fill up are named, and are trouble when they are almost full. So is a portal whose
    readers can't see what was written.
    """

    async def livez(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> JSONResponse:
        wrong = await failing(checks)
        channels, birds, full = standing(), await canaries(), filling()
        blind = await unseen()
        said = {"standing": channels, "canary": birds, "filling": full, "unseen": blind}
        body: dict[str, Any] = {"status": "failing" if wrong else "ok", "failing": wrong}
        body |= {name: what for name, what in said.items() if what}
        if not wrong and (blind or almost(full) or troubled(channels, birds)):
            body["status"] = "degraded"
        return JSONResponse(body, 503 if wrong else 200)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz)])


def almost(filling: dict[str, int]) -> bool:
    """Whether one of them will soon take nothing more."""
    return max(filling.values(), default=0) >= ALMOST_FULL


async def failing(checks: dict[str, Check]) -> dict[str, str]:
    """What this process needs and does not have now."""
    names = list(checks)
    said = await asyncio.gather(*(checks[name]() for name in names))
    return {name: what for name, what in zip(names, said, strict=True) if what}


def troubled(channels: dict[str, str], birds: dict[str, dict[str, Any]]) -> bool:
    """Whether a channel can't work, or does not prove that it does; a pause is somebody's wish."""
    broken = any(why != PAUSED for why in channels.values())
    return broken or any(one["state"] == "late" for one in birds.values())


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 lets the system choose. Raises OSError when the port is taken."""
    bound = socket.create_server((host, port), family=family(host), backlog=2048)
    bound.setblocking(False)
    return bound


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 -- only compared
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


class WebServer(uvicorn.Server):
    """uvicorn without its own signal handling: the composition root stops everything in order."""

    def __init__(self, app: ASGIApp, trusted_proxies: str = "") -> None:
        """*trusted_proxies*: addresses and networks whose X-Forwarded-For is believed."""
        config = uvicorn.Config(
            app,
            http=Bounded,
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

    async def end(self, serving: asyncio.Task[None]) -> None:
        """Finish what is in flight."""
        self.should_exit = True
        await serving
