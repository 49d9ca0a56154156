"""`/tim` over HTTP: the one page of the portal that is made when somebody asks for it."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channels.portal.search.catalogue import consulted
from channels.portal.search.keeper import CATALOGUE
from channels.portal.search.page import ANSWERS, Answer, SearchPage, View
from channels.portal.search.question import Question, Unclear, read
from channels.portal.serve import GUARDS
from channels.portal.site import Site

log = structlog.get_logger()
HEAD = "tim"
"""The first part of its path."""
LIFETIME = "public, max-age=60"
HEADERS = GUARDS | {"Cache-Control": LIFETIME}


def search_app(folder: Path, site: Site) -> Starlette:
    """Answer `/tim` from the catalogue that the writer keeps in *folder*."""
    desk = Desk(folder / "state" / CATALOGUE, SearchPage(site).write)

    async def search(request: Request) -> Response:
        return await run_in_threadpool(desk.answer, request.query_params)

    return Starlette(routes=[Route(f"/{HEAD}", search)])


class Desk:
    """Takes a question, looks into the catalogue, writes the page."""

    def __init__(self, path: Path, write: Callable[[View], bytes]) -> None:
        self._path = path
        self._write = write

    def answer(self, asked: Mapping[str, str]) -> Response:
        """200; 400 for a question that can't be read, 503 while the catalogue can't be."""
        try:
            question = read(asked)
        except Unclear as unclear:
            return self._page(View(asked, Question(), wrong=str(unclear)), 400)
        try:
            return self._page(View(asked, question, self._look_up(question)), 200)
        except sqlite3.Error as error:
            log.warning("search_unanswered", error=type(error).__name__)
            return self._page(View(asked, question, closed=True), 503)

    def _look_up(self, question: Question) -> Answer | None:
        if not question.asks:
            return None
        with consulted(self._path) as catalogue:
            found = catalogue.find(question)
            first = (question.page - 1) * ANSWERS
            return Answer(found, catalogue.papers(found.places[first : first + ANSWERS]))

    def _page(self, view: View, status: int) -> Response:
        headers = HEADERS if status == 200 else HEADERS | {"Cache-Control": "no-store"}
        return Response(self._write(view), status, headers, "text/html")
