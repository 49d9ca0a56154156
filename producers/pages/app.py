"""The pages as one ASGI app: routes, guards on every answer, and what is said when it fails."""

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

from contracts.letter import NoLetterNow
from contracts.links import LinkRefused, Why
from contracts.vocabulary import Vocabulary
from producers.bus import BusError
from producers.pages.leave import Leave
from producers.pages.limits import Limits
from producers.pages.look import HERE, STATIC, Look
from producers.pages.office import Doors
from producers.pages.own import OwnPages
from producers.pages.session import Sessions
from producers.pages.subscribe import Subscribe

log = structlog.get_logger()
STATUSES = {Why.FORGED: HTTPStatus.NOT_FOUND, Why.TAKEN: HTTPStatus.CONFLICT}
SAID = {
    HTTPStatus.NOT_FOUND: "missing",
    HTTPStatus.TOO_MANY_REQUESTS: "later",
    HTTPStatus.INTERNAL_SERVER_ERROR: "crashed",
}
YEAR = "public, max-age=31536000, immutable"


def pages(
    doors: Doors, vocabulary: Vocabulary, public_url: str, clock: Callable[[], float]
) -> ASGIApp:
    """The app; it takes every path below `/dang-ky` and `/huy`."""
    look = Look(public_url, vocabulary)
    limits = Limits(doors.letters_per_hour, clock)
    sessions = Sessions(doors.own, look.https)
    parts = (
        Subscribe(doors.office, look, sessions, limits),
        OwnPages(doors.own, look, sessions, limits, clock),
        Leave(doors.leaving, look),
    )
    routes = [route for part in parts for route in part.routes()]
    app = Starlette(
        routes=[*static(), *routes],
        exception_handlers=Failures(look).handlers(),
    )
    app.router.redirect_slashes = False  # its redirects would name what the Host header says
    return Guarded(app, look)


def static() -> Sequence[Route]:
    def serve(file: Path, kind: str) -> Callable[[Request], Response]:
        headers = {"Cache-Control": YEAR}
        return lambda _: FileResponse(file, media_type=kind, headers=headers)

    return [
        Route(f"/dang-ky/{name}", serve(HERE / "static" / name, kind))
        for name, kind in STATIC.items()
    ]


class Guarded:
    """Sets the headers that stand on every answer, whoever made it."""

    def __init__(self, app: ASGIApp, look: Look) -> None:
        self.app = app
        self.look = look

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.look.guards.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, guarded)


class Failures:
    """What a page says when it can't do what was asked."""

    def __init__(self, look: Look) -> None:
        self.look = look

    def handlers(self) -> dict[object, Callable[[Request, Exception], Response]]:
        return {
            LinkRefused: self.refused,
            HTTPException: self.unrouted,
            NoLetterNow: self.used_up,
            BusError: self.away,
            ClientDisconnect: self.hung_up,
            Exception: self.crashed,
        }

    def refused(self, _: Request, error: Exception) -> Response:
        why = error.why if isinstance(error, LinkRefused) else Why.FORGED
        return self.look.say(f"link_{why.value}", STATUSES.get(why, HTTPStatus.GONE))

    def unrouted(self, _: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = error.headers if isinstance(error, HTTPException) else None
        answer = self.look.say(SAID.get(HTTPStatus(status), "unreadable"), status)
        answer.headers.update(headers or {})
        return answer

    def away(self, _: Request, error: Exception) -> Response:
        log.warning("pages_without_bus", error=type(error).__name__)
        answer = self.look.say("away", HTTPStatus.SERVICE_UNAVAILABLE)
        answer.headers["Retry-After"] = "10"
        return answer

    def used_up(self, _: Request, error: Exception) -> Response:
        """It says nothing about any address: nobody gets a letter now."""
        answer = self.look.say("later", HTTPStatus.SERVICE_UNAVAILABLE)
        retry_s = error.retry_s if isinstance(error, NoLetterNow) else 0
        answer.headers["Retry-After"] = str(math.ceil(retry_s))
        return answer

    def hung_up(self, _: Request, __: Exception) -> Response:
        """Nobody is there to read it."""
        return Response(status_code=HTTPStatus.BAD_REQUEST)

    def crashed(self, _: Request, error: Exception) -> Response:
        log.error("page_crashed", error=type(error).__name__)
        return self.look.say("crashed", HTTPStatus.INTERNAL_SERVER_ERROR)
