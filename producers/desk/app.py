"""The desk as one ASGI app: routes, styles, security headers, error pages."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from contracts.errors import ContractError
from design.routes import asset_routes, folder_routes
from producers.bus import BusError
from producers.desk import rendering
from producers.desk.errors import Refused
from producers.desk.guard import Guard
from producers.desk.routes import ROUTES
from producers.desk.services import DeskServices
from producers.desk.visit import Desk, retry_headers
from producers.pages.app import RETRY_SOON, PageHeaders

log = structlog.get_logger()
_HTTP_PAGES = {
    HTTPStatus.NOT_FOUND: "missing",
    HTTPStatus.METHOD_NOT_ALLOWED: "missing",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "file_too_large",
}


def create_desk(services: DeskServices, url: str) -> ASGIApp:
    """Create the app. *url* is the desk's own address, without a path: forms come from there."""
    guard = Guard(Desk(services, url))
    app = Starlette(routes=_routes(guard), exception_handlers=_handlers())
    app.state.pages = services.pages
    app.router.redirect_slashes = False  # its redirects would trust the Host header
    return PageHeaders(app, rendering.HEADERS)


def _routes(guard: Guard) -> Sequence[BaseRoute]:
    own = [Route(one.path, guard.endpoint(one), methods=[one.method]) for one in ROUTES]
    pages, head = guard.desk.services.pages, rendering.ASSETS_PATH
    files = dict.fromkeys((*pages.frame.files, *guard.desk.services.previews.files))
    return [*asset_routes(head, files), *folder_routes(head, pages.scripts), *own]


def _handlers() -> dict[object, Callable[[Request, Exception], Response]]:
    return {
        Refused: _refused,
        ContractError: _invalid,
        HTTPException: _http_error,
        BusError: _bus_unavailable,
        ClientDisconnect: _client_disconnected,
        Exception: _unexpected_error,
    }


def _pages(request: Request) -> rendering.DeskPages:
    pages: rendering.DeskPages = request.app.state.pages
    return pages


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 -- registered for nothing else
    log.warning("desk_request_refused", reason=error.page, method=request.method)
    return _pages(request).message_page(error.page, error.status)


def _invalid(request: Request, error: Exception) -> Response:
    """What an act of administration refuses: unknown roles, a name that is taken, ..."""
    assert isinstance(error, ContractError)  # noqa: S101 -- registered for nothing else
    wrong = rendering.errors_by_field(error)
    page = _pages(request).render(
        "refused.html", rendering.refusal_status(error), visit=None, wrong=wrong
    )
    page.headers.update(retry_headers(error))
    return page


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for nothing else
    page = _HTTP_PAGES.get(HTTPStatus(error.status_code), "unreadable")
    return _pages(request).message_page(page, error.status_code)


def _bus_unavailable(request: Request, error: Exception) -> Response:
    log.warning("desk_without_bus", error=type(error).__name__)
    page = _pages(request).message_page("away", HTTPStatus.SERVICE_UNAVAILABLE)
    page.headers.update(RETRY_SOON)
    return page


def _client_disconnected(_: Request, __: Exception) -> Response:
    """The client has disconnected; the answer is never read."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def _unexpected_error(request: Request, error: Exception) -> Response:
    log.error("desk_crashed", error=type(error).__name__)
    return _pages(request).message_page("crashed", HTTPStatus.INTERNAL_SERVER_ERROR)
