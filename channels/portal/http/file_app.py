"""The portal's folder over HTTP, as an ASGI app with conditional requests (RFC 9110, 13.1).

The headers and bytes of a file are prepared once, when it is read. Threads compare them with the
disk, so that a disk that hangs does not stop the event loop."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from channels.portal.http.file_cache import (
    FRESH_S,
    CachedFile,
    FileCache,
    Header,
    raw_head,
    refresh_file,
)
from channels.portal.http.negotiation import candidate_paths
from channels.portal.model.cover import PICTURES_FOLDER
from channels.portal.model.site import CANARY_PATH
from channels.portal.model.texts import catalog_text
from contracts.base.security_headers import (
    SECURITY_HEADERS,
    add_missing,
    content_policy,
    raw_headers,
)

log = structlog.get_logger()
_THREADS = 16
"""Threads that look at files: their own, as a disk that hangs may keep all of them."""
_LOST_RETRY_S = 60
"""By then the writer has seen that its files are missing, and rewrites them."""
_OLD_RETRY_S = 5
"""A replica that is behind catches up within seconds, and another server answers meanwhile."""
_PICTURES_PATH = f"/{PICTURES_FOLDER}/"
"""Copies of covers: the writer cannot restore them, and they may exist without a portal."""
_ALLOWED_METHODS = "GET, HEAD"
PORTAL_HEADERS = {
    **SECURITY_HEADERS,
    **content_policy(style_src="'self'", img_src="'self'", form_action="'self'"),
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
"""Headers of every response."""
_RAW_HEADERS = raw_headers(PORTAL_HEADERS)
_CANARY_HEADERS = [(b"x-robots-tag", b"noindex"), (b"cache-control", b"no-store")]
_PLAIN_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class FileResponse(NamedTuple):
    """A response before the security headers; `raw_heads` caches a file's heads by status."""

    status: int
    headers: Iterable[Header]
    body: bytes
    raw_heads: dict[int, bytes]

    def raw_head(self) -> bytes:
        """The head with the security headers as bytes, built once for each file and status."""
        if self.status not in self.raw_heads:
            headers = add_missing(self.headers, _RAW_HEADERS)
            self.raw_heads[self.status] = raw_head(self.status, headers)
        return self.raw_heads[self.status]


class _Look(NamedTuple):
    """A look at a file of the disk under way, which requests of the same moment share."""

    begun_at: float
    task: asyncio.Task[CachedFile | None]


def _never_old() -> bool:
    return False


def portal_app(
    folder: Path,
    clock: Callable[[], float] = time.time,
    is_old: Callable[[], bool] = _never_old,
) -> ASGIApp:
    """Serve `folder/public`, which a PortalChannel writes; mountable below a path.

    While the files are a replica's and *is_old*, the answer is 503: another server has newer ones.
    """
    is_new = not (folder / "state").exists()
    return _PortalApp(FileCache(folder / "public"), clock, is_new, is_old)


class _PortalApp:
    def __init__(
        self,
        files: FileCache,
        clock: Callable[[], float],
        is_new: bool = False,
        is_old: Callable[[], bool] = _never_old,
    ) -> None:
        """*is_new*: nothing was written yet, so nothing is lost while no page exists."""
        self._is_old = is_old
        self._files = files
        self._clock = clock
        self._is_new = is_new
        self._is_lost = False
        self._looks: dict[str, _Look] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "portal-file")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        path = request_path(scope)
        response = await self._respond(scope, path)
        headers = add_missing(response.headers, _RAW_HEADERS)
        if path == CANARY_PATH:
            others = [header for header in headers if header[0] != b"cache-control"]
            headers = others + _CANARY_HEADERS
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    def at_once(self, scope: Scope) -> tuple[bytes, bytes] | None:
        """Head, without the empty line, and body of a file that was just looked at; else None."""
        path, method = request_path(scope), scope["method"]
        if method not in ("GET", "HEAD") or path == CANARY_PATH or self._is_old():
            return None
        file = self._files.locate(path)
        cached = self._files.find_fresh(file) if file else None
        if cached is None:
            return None
        response = self._file_response(cached, scope["headers"], whole=method == "GET")
        return response.raw_head(), response.body

    async def _respond(self, scope: Scope, path: str) -> FileResponse:
        method = scope["method"]
        if method not in ("GET", "HEAD"):
            return _text_response("wrong_method", 405, (b"allow", _ALLOWED_METHODS.encode()))
        if self._is_old():
            return _text_response("lost", 503, (b"retry-after", b"%d" % _OLD_RETRY_S))
        cached = await self._find(path) or await self._negotiated(scope, path)
        if cached is None and not path.startswith(_PICTURES_PATH) and await self._is_folder_empty():
            return _text_response("lost", 503, (b"retry-after", b"%d" % _LOST_RETRY_S))
        cached = cached or await self._find("/404.html")
        if cached is None:
            return _text_response("missing", 404)
        return self._file_response(cached, scope["headers"], whole=method == "GET")

    async def _negotiated(self, scope: Scope, path: str) -> CachedFile | None:
        """The feed, or its page, in the format that the client prefers, or else in any."""
        values = b",".join(value for name, value in scope["headers"] if name == b"accept")
        accept = values.decode("latin-1")
        for candidate in (*candidate_paths(path, accept), *candidate_paths(path, "")):
            if cached := await self._find(candidate):
                return cached.with_content_location(scope.get("root_path", "") + candidate)
        return None

    async def _is_folder_empty(self) -> bool:
        """Whether the folder has no home page, because it was emptied or is new."""
        is_empty = await self._find("/index.html") is None
        self._is_new = self._is_new and is_empty
        if is_empty and not (self._is_lost or self._is_new):
            log.error("portal_files_missing")
        self._is_lost = is_empty
        return is_empty

    async def _find(self, path: str) -> CachedFile | None:
        file = self._files.locate(path)
        if file is None:
            return None
        look = self._looks.get(file)
        if look is None or look.begun_at + FRESH_S < time.monotonic():
            look = self._looks[file] = _Look(
                time.monotonic(), asyncio.create_task(self._look(file))
            )
            look.task.add_done_callback(partial(self._forget, file, look))
        return await asyncio.shield(look.task)

    def _forget(self, file: str, look: _Look, _: object) -> None:
        if self._looks.get(file) is look:
            del self._looks[file]

    async def _look(self, file: str) -> CachedFile | None:
        looked_at, look = time.monotonic(), partial(refresh_file, file, self._files.find(file))
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look)
        return self._files.put(file, found, looked_at)

    def _file_response(
        self, cached: CachedFile, request_headers: Iterable[Header], *, whole: bool
    ) -> FileResponse:
        """The file, or 304 in place of a 200."""
        cached = cached.as_of(int(self._clock()))
        tags, since = _conditional_headers(request_headers)
        if cached.status == 200 and _is_not_modified(cached.tag, cached.modified_s, tags, since):
            return FileResponse(304, cached.headers, b"", cached.raw_heads)
        headers, body = cached.headers + cached.body_headers, cached.body if whole else b""
        return FileResponse(cached.status, headers, body, cached.raw_heads)


def _text_response(text: str, status: int, *more: Header) -> FileResponse:
    body = catalog_text("answer", text).encode()
    length = (b"content-length", b"%d" % len(body))
    return FileResponse(status, [_PLAIN_TEXT, length, *more], body, {})


def _conditional_headers(request_headers: Iterable[Header]) -> tuple[str | None, str | None]:
    """The values of If-None-Match, all lines joined, and If-Modified-Since."""
    tags, since = None, None
    for name, value in request_headers:
        if name == b"if-none-match":
            tags = f"{tags}, {value.decode('latin-1')}" if tags else value.decode("latin-1")
        elif name == b"if-modified-since":
            since = value.decode("latin-1")
    return tags, since


def request_path(scope: Scope) -> str:
    """The path relative to the mount point of this app."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


_TAG = re.compile(r'(?:W/)?("[^"]*")')


def _is_not_modified(tag: str, modified_s: int, tags: str | None, since: str | None) -> bool:
    """Whether 304 is right. If-None-Match has precedence; tags compare weakly."""
    if tags is not None:
        opaque_tag = tag.removeprefix("W/")
        return tags.strip() == "*" or opaque_tag in _TAG.findall(tags)
    return since is not None and modified_s <= _http_date_s(since)


def _http_date_s(text: str) -> float:
    """An HTTP date in seconds; negative infinity for an invalid one."""
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return float("-inf")
