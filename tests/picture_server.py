"""A web server of somebody else's, on this machine, that gives out what a test lays there."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from channels.fetch.public import Gate

HOST = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class PictureServer:
    """`lay` puts an answer at a path; `asked` counts who came."""

    port: int = 0
    answers: dict[str, Handler] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str, host: str = HOST) -> str:
        return f"http://{host}:{self.port}{path}"

    def gate(self, *more: tuple[str, int]) -> Gate:
        """The rule with this server as the only place inside that is open."""
        return Gate(frozenset({(HOST, self.port), *more}))

    def lay(self, path: str, body: bytes = b"", type: str = "image/png", **more: Any) -> None:
        headers = {"Content-Type": type, **more.pop("headers", {})}

        async def answer(_: web.Request) -> web.Response:
            return web.Response(body=body, headers=headers, **more)

        self.answers[path] = answer

    def move(self, path: str, where: str, status: int = 302) -> None:
        self.lay(path, status=status, headers={"Location": where})

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        self.headers.append(dict(request.headers))
        handler = self.answers.get(request.path)
        return await handler(request) if handler else web.Response(status=404)


@asynccontextmanager
async def picture_server() -> AsyncIterator[PictureServer]:
    server = PictureServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        server.port = runner.addresses[0][1]
        yield server
    finally:
        await runner.cleanup()
