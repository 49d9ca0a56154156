"""The portal's folder over HTTP: an ASGI app that knows files, and no other room.

It speaks ASGI itself: what is the same for every reader of a file is made once, when the file is
read, so that an answer costs little more than a look whether the file has changed.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from channels.portal.conditional import not_modified
from channels.portal.negotiated import forms
from channels.portal.pictures import FOLDER
from channels.portal.served import Files, Header, Served, block, load
from channels.portal.site import CANARY_PATH
from channels.portal.texts import say

log = structlog.get_logger()
AGAIN_S = 60
"""Within that the writer sees that its files are gone, and begins to write them again."""
PICTURES = f"/{FOLDER}/"
"""Copies of covers: nobody writes one again, and they may lie where no portal is."""
METHODS = "GET, HEAD"
GUARDS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' https: data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Stands on every answer."""


_GUARDS = [(name.lower().encode(), value.encode()) for name, value in GUARDS.items()]
_CANARY = [(b"x-robots-tag", b"noindex"), (b"cache-control", b"no-store")]
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")


class Answer(NamedTuple):
    """What is sent, before the guards. `blocks`: where a file's heads are kept, by status."""

    status: int
    headers: Iterable[Header]
    body: bytes
    blocks: dict[int, bytes]

    def block(self) -> bytes:
        """The head, guards and all, as it goes over the wire; made once for each file."""
        if self.status not in self.blocks:
            self.blocks[self.status] = block(self.status, [*self.headers, *_GUARDS])
        return self.blocks[self.status]


def portal_app(folder: Path, clock: Callable[[], float] = time.time) -> ASGIApp:
    """Serve `folder/public`, which a PortalChannel writes; may be mounted below a path."""
    return _Portal(Files(folder / "public"), clock)


class _Portal:
    def __init__(self, files: Files, clock: Callable[[], float]) -> None:
        self._files = files
        self._clock = clock
        self._is_lost = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        path = path_of(scope)
        answer = await self._answer(scope, path)
        headers = [*answer.headers, *_GUARDS]
        if path == CANARY_PATH:
            headers = [one for one in headers if one[0] != b"cache-control"] + _CANARY
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def at_once(self, scope: Scope) -> tuple[bytes, bytes] | None:
        """Head, without its end, and body of a file that is in memory; None for everything else."""
        path, method = path_of(scope), scope["method"]
        if method not in ("GET", "HEAD") or path == CANARY_PATH:
            return None
        file = self._files.locate(path)
        served = self._files.kept(file) if file else None
        if served is None:
            return None
        answer = self._of(served, scope["headers"], whole=method == "GET")
        return answer.block(), answer.body

    async def _answer(self, scope: Scope, path: str) -> Answer:
        method = scope["method"]
        if method not in ("GET", "HEAD"):
            return _said("wrong_method", 405, (b"allow", METHODS.encode()))
        served = await self._find(path) or await self._negotiated(scope, path)
        if served is None and not path.startswith(PICTURES) and await self._lost():
            return _said("lost", 503, (b"retry-after", b"%d" % AGAIN_S))
        served = served or await self._find("/404.html")
        if served is None:
            return _said("missing", 404)
        return self._of(served, scope["headers"], whole=method == "GET")

    async def _negotiated(self, scope: Scope, path: str) -> Served | None:
        """The feed, or its page, in the form that the reader wants, or else in any."""
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
        for form in (*forms(path, accept.decode("latin-1")), *forms(path, "")):
            if served := await self._find(form):
                return served.told_at(scope.get("root_path", "") + form)
        return None

    async def _lost(self) -> bool:
        """Whether the folder has no home page: somebody emptied it, or nothing is there yet."""
        lost = await self._find("/index.html") is None
        if lost and not self._is_lost:
            log.error("portal_files_missing")
        self._is_lost = lost
        return lost

    async def _find(self, path: str) -> Served | None:
        file = self._files.locate(path)
        if file is None:
            return None
        if kept := self._files.kept(file):
            return kept
        loaded = await run_in_threadpool(load, file)
        return self._files.keep(file, loaded) if loaded else None

    def _of(self, served: Served, asked: Iterable[Header], *, whole: bool) -> Answer:
        """The file, or 304: only what would be a 200 can be "not modified"."""
        served = served.by(int(self._clock()))
        tags, since = _conditions(asked)
        if served.status == 200 and not_modified(served.tag, served.modified_s, tags, since):
            return Answer(304, served.head, b"", served.blocks)
        body = served.body if whole else b""
        return Answer(served.status, served.head + served.about, body, served.blocks)


def _said(text: str, status: int, *more: Header) -> Answer:
    """A short answer where there is no page to show."""
    body = say("answer", text).encode()
    return Answer(status, [_PLAIN, (b"content-length", b"%d" % len(body)), *more], body, {})


def _conditions(asked: Iterable[Header]) -> tuple[str | None, str | None]:
    """If-None-Match, all of its lines together, and If-Modified-Since."""
    tags, since = None, None
    for name, value in asked:
        if name == b"if-none-match":
            tags = f"{tags}, {value.decode('latin-1')}" if tags else value.decode("latin-1")
        elif name == b"if-modified-since":
            since = value.decode("latin-1")
    return tags, since


def path_of(scope: Scope) -> str:
    """The path below the place where this app is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"
