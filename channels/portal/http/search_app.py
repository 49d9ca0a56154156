"""The search page `/tim` over HTTP, the portal's only page rendered on request."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from channels.portal.errors import InvalidQuery
from channels.portal.http.file_app import PORTAL_HEADERS, portal_app, request_path
from channels.portal.http.search_page import (
    NEWEST_SHOWN,
    PAGE_SIZE,
    SearchPage,
    SearchResults,
    SearchView,
    count_pages,
    known_values,
)
from channels.portal.model.site import Site
from channels.portal.search.index import SearchDocument, open_search_index
from channels.portal.search.query import SearchQuery, parse_query
from channels.portal.search.suggestions import queries_that_find
from channels.portal.search.sync import SEARCH_INDEX_FILE

log = structlog.get_logger()
SEARCH_SEGMENT = "tim"
"""First path segment of the search page."""
THREADS, WAITING_MAX = 2, 40
"""Threads for searches, so that they never delay pages, and requests that may wait."""
BUSY_RETRY_S, _UNAVAILABLE_RETRY_S = 5, 60
"""Retry-After when overloaded, and while there is no search index."""


def search_app(folder: Path, site: Site) -> ASGIApp:
    """Serve `/tim` from the search index in *folder*."""
    service = SearchService(folder / "state" / SEARCH_INDEX_FILE, site)
    return _SearchApp(service, portal_app(folder))


class _SearchApp:
    """`/tim` and `/tim/`; the portal's app answers all other requests."""

    def __init__(self, service: "SearchService", portal: ASGIApp) -> None:
        self._service, self._portal = service, portal
        self._pool = ThreadPoolExecutor(THREADS, "search")
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_search = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if not is_search or request_path(scope).rstrip("/") != f"/{SEARCH_SEGMENT}":
            return await self._portal(scope, receive, send)
        if self._in_progress < THREADS + WAITING_MAX:
            response = await self._respond(QueryParams(scope["query_string"]))
        else:
            response = self._service.respond_busy()
        return await response(scope, receive, send)

    async def _respond(self, params: Mapping[str, str]) -> Response:
        self._in_progress += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._service.respond, params)
        finally:
            self._in_progress -= 1


class SearchService:
    """Parses a query, searches the index and renders the page."""

    def __init__(self, path: Path, site: Site) -> None:
        self._path = path
        self._known_values = known_values(site)
        self._render = SearchPage(site).render
        self._busy_page: bytes | None = None

    def respond(self, params: Mapping[str, str]) -> Response:
        """200; 400 for an invalid query, 503 while the search index is unavailable."""
        try:
            query = parse_query(params, self._known_values)
        except InvalidQuery as unclear:
            view = SearchView(params, SearchQuery(), error=unclear)
            return _html_response(self._render(view), 400)
        try:
            view = SearchView(params, query, self._look_up(query), newest=self._newest(query))
            return _html_response(self._render(view), 200)
        except sqlite3.Error as error:
            log.warning("search_unanswered", error=type(error).__name__)
            view = SearchView(params, query, is_unavailable=True)
            return _html_response(self._render(view), 503, _UNAVAILABLE_RETRY_S)

    def respond_busy(self) -> Response:
        """503 from a cached page, so that overload costs nothing."""
        if self._busy_page is None:
            self._busy_page = self._render(SearchView({}, SearchQuery(), is_busy=True))
        return _html_response(self._busy_page, 503, BUSY_RETRY_S)

    def _newest(self, query: SearchQuery) -> Sequence[SearchDocument]:
        """Offers before a search; none while there is no search index."""
        if query.has_criteria:
            return ()
        try:
            with open_search_index(self._path) as index:
                return index.newest(NEWEST_SHOWN)
        except sqlite3.Error:
            return ()

    def _look_up(self, query: SearchQuery) -> SearchResults | None:
        if not query.has_criteria:
            return None
        with open_search_index(self._path) as index:
            matches = index.search(query)
            if not matches.places:
                finds = queries_that_find(query, lambda wider: bool(index.search(wider).places))
                return SearchResults(matches, (), wider=finds)
            page = min(query.page, count_pages(matches))
            shown = matches.places[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
            return SearchResults(matches, index.documents(shown), page)


def _html_response(page: bytes, status: int, retry_s: int = 0) -> Response:
    lifetime = "public, max-age=60" if status == 200 else "no-store"
    headers = PORTAL_HEADERS | {"Cache-Control": lifetime}
    if retry_s:
        headers["Retry-After"] = str(retry_s)
    return Response(page, status, headers, "text/html")
