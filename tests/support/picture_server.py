"""A web server on this machine that gives out the pictures of a test."""

import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiohttp import web

from channels.fetch.url_policy import UrlPolicy

HOST = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class PictureServer:
    """`lay` puts an answer at a path; `asked` counts who came."""

    port: int = 0
    answers: dict[str, Handler] = field(default_factory=dict)
    request_counts: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://{HOST}:{self.port}{path}"

    def gate(self, *more: tuple[str, int]) -> UrlPolicy:
        """The rule with this server as the only place inside that is open."""
        return UrlPolicy(frozenset({(HOST, self.port), *more}))

    def serve(self, path: str, body: bytes = b"", type: str = "image/png", **more: Any) -> None:
        headers = {"Content-Type": type, **more.pop("headers", {})}

        async def answer(_: web.Request) -> web.Response:
            return web.Response(body=body, headers=headers, **more)

        self.answers[path] = answer

    def move(self, path: str, where: str, status: int = 302) -> None:
        self.serve(path, status=status, headers={"Location": where})

    async def serve_request(self, request: web.Request) -> web.StreamResponse:
        self.request_counts[request.path] += 1
        self.headers.append(dict(request.headers))
        handler = self.answers.get(request.path)
        return await handler(request) if handler else web.Response(status=404)


@asynccontextmanager
async def open_picture_server() -> AsyncIterator[PictureServer]:
    server = PictureServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.serve_request)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        server.port = runner.addresses[0][1]
        yield server
    finally:
        await runner.cleanup()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests in a thread; yields HOST:PORT."""
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serve_in_thread(
    body: Callable[[str], bytes], type: str, headers: dict[str, str] | None = None
) -> Iterator[str]:
    """Answer every GET with the *body* of its path, for tests without a loop; yields HOST:PORT."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = body(self.path)
            self.send_response(200)
            length = {"Content-Type": type, "Content-Length": str(len(answer))}
            for name, value in (length | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Write nothing to the terminal."""

    with serving(Handler) as address:
        yield address
