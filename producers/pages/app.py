"""The pages as one ASGI app: routes, security headers, error pages."""

import math
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.subscriptions.errors import LinkProblem, LinkRefused, MailQuotaReached
from contracts.vocabulary import Vocabulary
from producers.bus import BusError
from producers.pages.mail_limits import MailLimits
from producers.pages.preferences import PreferencesPages
from producers.pages.rendering import FOLDER, STATIC_FILES, Renderer
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
_CACHE_FOR_A_YEAR = "public, max-age=31536000, immutable"


def create_pages(
    services: PageServices, vocabulary: Vocabulary, public_url: str, clock: Callable[[], float]
) -> ASGIApp:
    """Create the app; it serves every path below `/dang-ky` and `/huy`."""
    look = Renderer(public_url, vocabulary)
    limits = MailLimits(services.mails_per_hour, clock)
    sessions = Sessions(services.preferences, look.is_https)
    parts = (
        SignupPages(services.signup, look, sessions, limits),
        PreferencesPages(services.preferences, look, sessions, limits, clock),
        UnsubscribePages(services.unsubscribe, look),
    )
    routes = [route for part in parts for route in part.routes()]
    app = Starlette(
        routes=[*_static_routes(), *routes], exception_handlers=ErrorPages(look).handlers()
    )
    app.router.redirect_slashes = False  # its redirects would trust the Host header
    return SecurityHeaders(app, look)


def _static_routes() -> Sequence[Route]:
    def serve(file: Path, kind: str) -> Callable[[Request], Response]:
        headers = {"Cache-Control": _CACHE_FOR_A_YEAR}
        return lambda _: FileResponse(file, media_type=kind, headers=headers)

    return [
        Route(f"/dang-ky/{name}", serve(FOLDER / "static" / name, kind))
        for name, kind in STATIC_FILES.items()
    ]


class SecurityHeaders:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp, renderer: Renderer) -> None:
        self.app = app
        self.renderer = renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.renderer.security_headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, guarded)


class ErrorPages:
    """Error pages."""

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
        why = error.problem if isinstance(error, LinkRefused) else LinkProblem.FORGED
        return self.renderer.message_page(
            f"link_{why.value}", _LINK_STATUSES.get(why, HTTPStatus.GONE)
        )

    def http_error(self, _: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = error.headers if isinstance(error, HTTPException) else None
        answer = self.renderer.message_page(
            _MESSAGE_NAMES.get(HTTPStatus(status), "unreadable"), status
        )
        answer.headers.update(headers or {})
        return answer

    def bus_unavailable(self, _: Request, error: Exception) -> Response:
        log.warning("pages_without_bus", error=type(error).__name__)
        answer = self.renderer.message_page("away", HTTPStatus.SERVICE_UNAVAILABLE)
        answer.headers["Retry-After"] = "10"
        return answer

    def mail_quota_reached(self, _: Request, error: Exception) -> Response:
        """The quota page; it holds for all addresses and reveals nothing about any."""
        answer = self.renderer.message_page("later", HTTPStatus.SERVICE_UNAVAILABLE)
        retry_s = error.retry_after_s if isinstance(error, MailQuotaReached) else 0
        answer.headers["Retry-After"] = str(math.ceil(retry_s))
        return answer

    def client_disconnected(self, _: Request, __: Exception) -> Response:
        """The client has disconnected; the answer is never read."""
        return Response(status_code=HTTPStatus.BAD_REQUEST)

    def unexpected_error(self, _: Request, error: Exception) -> Response:
        log.error("page_crashed", error=type(error).__name__)
        return self.renderer.message_page("crashed", HTTPStatus.INTERNAL_SERVER_ERROR)
