"""One port for every HTTP face: the doors, the portal, the mailbox, and the health checks."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

log = structlog.get_logger()
Check = Callable[[], Awaitable[str | None]]
"""Names what is wrong, or None."""


def health(checks: dict[str, Check]) -> list[BaseRoute]:
    """`/livez`: the process answers. `/readyz`: everything it needs does too, each by name."""

    async def livez(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> JSONResponse:
        names = list(checks)
        said = await asyncio.gather(*(checks[name]() for name in names))
        wrong = {name: what for name, what in zip(names, said, strict=True) if what}
        body = {"status": "failing" if wrong else "ok", "failing": wrong}
        return JSONResponse(body, 503 if wrong else 200)

    return [Route("/livez", livez), Route("/readyz", readyz)]


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

    def __init__(self, routes: Sequence[BaseRoute], bound: socket.socket) -> None:
        config = uvicorn.Config(
            Starlette(routes=list(routes)),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self.bound = bound

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Serve until *stopped*, then finish what is in flight."""
        serving = asyncio.create_task(self.serve([self.bound]))
        await stopped.wait()
        self.should_exit = True
        await serving
