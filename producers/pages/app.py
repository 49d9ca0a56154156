"""The pages as one ASGI app: routes, security headers, error pages."""

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus

import structlog
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.subscriptions.errors import LinkProblem, LinkRefused, MailQuotaReached
from design.routes import asset_routes
from producers.bus import BusError
from producers.pages.mail_limits import MailLimits
from producers.pages.preferences import PreferencesPages
from producers.pages.rendering import ASSETS_PATH, PAGE_HEADERS, Renderer
from producers.pages.services import PageServices
from producers.pages.sessions import Sessions
from producers.pages.signup import SignupPages
from producers.pages.unsubscribe import UnsubscribePages

log = structlog.get_logger()
_LINK_STATUSES = {LinkProblem.FORGED: HTTPStatus.NOT_FOUND, LinkProblem.TAKEN: HTTPStatus.CONFLICT}
_MESSAGE_NAMES = {
    HTTPStatus.NOT_FOUND: "missing",
    HTTPStatus.TOO_MANY_REQUESTS: "later",
    HTTPStatus.INTERNAL_SERVER_ERROR: "crashed",
}
RETRY_SOON = {"Retry-After": "10"}
"""Headers of an answer while the bus is away."""


def create_pages(services: PageServices, renderer: Renderer, clock: Callable[[], float]) -> ASGIApp:
    """Create the app; it serves every path below `/dang-ky` and `/huy`."""
    limits = MailLimits(services.mails_per_hour, clock)
    sessions = Sessions(services.preferences, renderer.is_https)
    parts = (
        SignupPages(services.signup, renderer, sessions, limits),
        PreferencesPages(services.preferences, renderer, sessions, limits, clock),
        UnsubscribePages(services.unsubscribe, renderer),
    )
    routes = [route for part in parts for route in part.routes()]
    handlers = ErrorPages(renderer).handlers()
    app = Starlette(
        routes=[*asset_routes(ASSETS_PATH, renderer.frame.files), *routes],
        exception_handlers=handlers,
    )
    app.router.redirect_slashes = False  # its redirects would trust the Host header
    return PageHeaders(app, PAGE_HEADERS)


class PageHeaders:
    """Adds the headers of a face to every response, also where no server does."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, guarded)


class ErrorPages:
    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer

    def handlers(self) -> dict[object, Callable[[Request, Exception], Response]]:
        return {
            LinkRefused: self.link_refused,
            HTTPException: self.http_error,
            MailQuotaReached: self.mail_quota_reached,
            BusError: self.bus_unavailable,
            ClientDisconnect: self.client_disconnected,
            Exception: self.unexpected_error,
        }

    def link_refused(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, LinkRefused)  # noqa: S101 -- registered for nothing else
        status = _LINK_STATUSES.get(error.problem, HTTPStatus.GONE)
        return self.renderer.message_page(f"link_{error.problem.value}", status)

    def http_error(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 -- registered for nothing else
        status = HTTPStatus(error.status_code)
        name = _MESSAGE_NAMES.get(status, "unreadable")
        return self.renderer.message_page(name, status, error.headers)

    def bus_unavailable(self, _: Request, error: Exception) -> Response:
        log.warning("pages_without_bus", error=type(error).__name__)
        return self.renderer.message_page("away", HTTPStatus.SERVICE_UNAVAILABLE, RETRY_SOON)

    def mail_quota_reached(self, _: Request, error: Exception) -> Response:
        """The quota page; it holds for all addresses and reveals nothing about any."""
        assert isinstance(error, MailQuotaReached)  # noqa: S101 -- registered for nothing else
        headers = {"Retry-After": str(math.ceil(error.retry_after_s))}
        return self.renderer.message_page("later", HTTPStatus.SERVICE_UNAVAILABLE, headers)

    def client_disconnected(self, _: Request, __: Exception) -> Response:
        """The client has disconnected; the answer is never read."""
        return Response(status_code=HTTPStatus.BAD_REQUEST)

    def unexpected_error(self, _: Request, error: Exception) -> Response:
        log.error("page_crashed", error=type(error).__name__)
        return self.renderer.message_page("crashed", HTTPStatus.INTERNAL_SERVER_ERROR)
