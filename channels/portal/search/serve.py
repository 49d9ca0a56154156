"""`/tim` over HTTP: the one page of the portal that is made when somebody asks for it."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import structlog
from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from channels.portal.search.catalogue import consulted
from channels.portal.search.choices import known
from channels.portal.search.keeper import CATALOGUE
from channels.portal.search.page import ANSWERS, Answer, SearchPage, View, pages_of
from channels.portal.search.question import Known, Question, Unclear, read
from channels.portal.serve import GUARDS, path_of, portal_app
from channels.portal.site import Site

log = structlog.get_logger()
HEAD = "tim"
"""The first part of its path."""
LIFETIME = "public, max-age=60"
HEADERS = GUARDS | {"Cache-Control": LIFETIME}
AT_ONCE, WAITING_MAX = 2, 40
"""Threads of the search's own, so that it never holds up a page; and who may wait for one."""
SOON_S, LATER_S = 5, 60
"""When to come back: after a rush, and while there is no catalogue."""


def search_app(folder: Path, site: Site) -> ASGIApp:
    """Answer `/tim` from the catalogue that the writer keeps in *folder*."""
    desk = Desk(folder / "state" / CATALOGUE, SearchPage(site).write, known(site))
    return _Search(desk, portal_app(folder))


class _Search:
    """`/tim`, with a slash behind it too; what else is asked for here, the portal refuses."""

    def __init__(self, desk: "Desk", portal: ASGIApp) -> None:
        self._desk, self._portal = desk, portal
        self._pool = ThreadPoolExecutor(AT_ONCE, "search")
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _asks(scope):
            return await self._portal(scope, receive, send)
        if self._inside < AT_ONCE + WAITING_MAX:
            answer = await self._in_turn(QueryParams(scope["query_string"]))
        else:
            answer = self._desk.too_many()
        return await answer(scope, receive, send)

    async def _in_turn(self, asked: Mapping[str, str]) -> Response:
        self._inside += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._desk.answer, asked)
        finally:
            self._inside -= 1


def _asks(scope: Scope) -> bool:
    return path_of(scope).rstrip("/") == f"/{HEAD}" and scope["method"] in ("GET", "HEAD")


class Desk:
    """Takes a question, looks into the catalogue, writes the page."""

    def __init__(
        self, path: Path, write: Callable[[View], bytes], known: Known = MappingProxyType({})
    ) -> None:
        self._path = path
        self._known = known
        self._write = write
        self._full: bytes | None = None

    def answer(self, asked: Mapping[str, str]) -> Response:
        """200; 400 for a question that can't be read, 503 while the catalogue can't be."""
        try:
            question = read(asked, self._known)
        except Unclear as unclear:
            return self._page(View(asked, Question(), wrong=unclear), 400)
        try:
            return self._page(View(asked, question, self._look_up(question)), 200)
        except sqlite3.Error as error:
            log.warning("search_unanswered", error=type(error).__name__)
            return self._page(View(asked, question, closed=True), 503, LATER_S)

    def too_many(self) -> Response:
        """503, without a look at what is asked: it costs nothing, however many come."""
        if self._full is None:
            self._full = self._write(View({}, Question(), full=True))
        return _sent(self._full, 503, SOON_S)

    def _look_up(self, question: Question) -> Answer | None:
        if not question.asks:
            return None
        with consulted(self._path) as catalogue:
            found = catalogue.find(question)
            page = min(question.page, pages_of(found))
            shown = found.places[(page - 1) * ANSWERS : page * ANSWERS]
            return Answer(found, catalogue.papers(shown), page)

    def _page(self, view: View, status: int, retry_s: int = 0) -> Response:
        return _sent(self._write(view), status, retry_s)


def _sent(page: bytes, status: int, retry_s: int = 0) -> Response:
    headers = HEADERS if status == 200 else HEADERS | {"Cache-Control": "no-store"}
    if retry_s:
        headers = headers | {"Retry-After": str(retry_s)}
    return Response(page, status, headers, "text/html")
