"""The desk as one ASGI app: routes, styles, security headers, error pages."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from contracts.errors import ContractError, NotFound
from design.routes import asset_routes, folder_routes
from producers.bus import BusError
from producers.desk import rendering
from producers.desk.editor.typed_text import TypedText, find_typed
from producers.desk.errors import ForeignRequest, NotSignedIn, Refused, WrongAddress
from producers.desk.guard import Guard
from producers.desk.routes import ROUTES
from producers.desk.services import DeskServices
from producers.desk.sign_in import ended_session_page
from producers.desk.visit import DeskParts, Visit, retry_headers, wants_json
from producers.pages.app import RETRY_SOON, PageHeaders

log = structlog.get_logger()
_HTTP_PAGES = {
    HTTPStatus.NOT_FOUND: "missing",
    HTTPStatus.METHOD_NOT_ALLOWED: "missing",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
}


def create_desk(services: DeskServices, url: str) -> ASGIApp:
    """Create the app. *url* is the desk's own address, without a path: forms come from there."""
    guard = Guard(DeskParts(services, url))
    app = Starlette(routes=_routes(guard), exception_handlers=_handlers())
    app.state.desk = guard.desk
    app.router.redirect_slashes = False  # its redirects would trust the Host header
    return PageHeaders(app, rendering.HEADERS)


def _routes(guard: Guard) -> Sequence[BaseRoute]:
    own = [Route(one.path, guard.endpoint(one), methods=[one.method]) for one in ROUTES]
    pages, head = guard.desk.services.pages, rendering.ASSETS_PATH
    files = dict.fromkeys((*pages.frame.files, *guard.desk.services.previews.files))
    return [*asset_routes(head, files), *folder_routes(head, pages.scripts), *own]


def _handlers() -> dict[object, Callable[[Request, Exception], Response | Awaitable[Response]]]:
    return {
        Refused: _refused,
        ContractError: _invalid,
        HTTPException: _http_error,
        BusError: _bus_unavailable,
        ClientDisconnect: _client_disconnected,
        Exception: _unexpected_error,
    }


def _visit(request: Request) -> Visit:
    """The visit of a request, whose person may be unknown; the error may have come before it."""
    known: Visit | None = getattr(request.state, "visit", None)
    desk: DeskParts = request.app.state.desk
    return known or Visit(desk, request, desk.cookie.read(request), is_form_read=True)


async def _visit_of_person(request: Request) -> Visit:
    """The visit with its person, so that the page of an error has a menu."""
    visit = _visit(request)
    with suppress(BusError, ContractError):
        await visit.find_person()
    return visit


def _message(
    visit: Visit, name: str, status: int, typed: TypedText | None = None, **values: str
) -> Response:
    return visit.desk.services.pages.message_page(name, status, visit, typed, **values)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 -- registered for nothing else
    visit = await _visit_of_person(request)
    if isinstance(error, NotSignedIn):
        log.warning("desk_request_refused", reason=error.page, method=request.method)
        return await ended_session_page(visit)
    url = {"url": visit.desk.url, "setting": "LOA_DESK_URL"}
    said = url if isinstance(error, WrongAddress) else {}
    log.warning("desk_request_refused", reason=error.page, method=request.method, **said)
    typed = await find_typed(visit, opens_again=isinstance(error, ForeignRequest))
    return _message(visit, error.page, error.status, typed, **said)


async def _invalid(request: Request, error: Exception) -> Response:
    """Answer the refusal of an act of administration: unknown roles, a name that is taken, ..."""
    assert isinstance(error, ContractError)  # noqa: S101 -- registered for nothing else
    if wants_json(request):
        said = " ".join(rendering.errors_by_field(error).values())
        status = rendering.refusal_status(error)
        return JSONResponse({"error": said}, status, retry_headers(error))
    visit = await _visit_of_person(request)
    typed = await find_typed(visit)
    shown = {"is_read": request.method == "GET", "is_missing": isinstance(error, NotFound)}
    return visit.refused_page("refused.html", error, back=visit.back(), typed=typed, **shown)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for nothing else
    page = _HTTP_PAGES.get(HTTPStatus(error.status_code), "unreadable")
    if page == "too_large" and _has_file(request):
        page = "file_too_large"
    if wants_json(request):
        said = rendering.desk_texts()["page"][page]["paragraphs"]
        return JSONResponse({"error": " ".join(said)}, error.status_code)
    return _message(await _visit_of_person(request), page, error.status_code)


def _has_file(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/")


async def _bus_unavailable(request: Request, error: Exception) -> Response:
    log.warning("desk_without_bus", error=type(error).__name__)
    visit = _visit(request)
    typed = await find_typed(visit, opens_again=True)
    page = _message(visit, "away", HTTPStatus.SERVICE_UNAVAILABLE, typed)
    page.headers.update(RETRY_SOON)
    return page


def _client_disconnected(_: Request, __: Exception) -> Response:
    """The client has disconnected; the answer is never read."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _unexpected_error(request: Request, error: Exception) -> Response:
    log.error("desk_crashed", error=type(error).__name__)
    visit = _visit(request)
    typed = await find_typed(visit, opens_again=True, converts=False)
    return _message(visit, "crashed", HTTPStatus.INTERNAL_SERVER_ERROR, typed)
