"""What readers think of an item: three buttons on its page, one POST, and nothing about the reader.

No cookie, no address, no name is kept or logged. How often one address of the internet has pressed
is known to this process alone, until it ends: enough against a finger that does not stop.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Literal, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from contracts import subjects
from contracts.base import ID_PATTERN
from contracts.delivery import ChannelName
from contracts.opinion import Opinion
from producers.bus import Bus, BusError
from producers.gateway.limits import TokenBuckets
from producers.pages import forms
from producers.pages.app import Guarded
from producers.pages.limits import counted, source
from producers.pages.look import Look, texts
from producers.wording import say

log = structlog.get_logger()
HEAD = "y-kien"
PER_MINUTE, BURST = 10.0, 60.0
"""For all items together, by one address: an office behind one address is many."""
A_DAY, AT_ONCE = 5 / 1440, 5.0
"""For one item, by one address."""
OWN_PAGE = ("same-origin", "none")
ID = re.compile(ID_PATTERN)
T = TypeVar("T", Opinion, ChannelName)
Standing = Callable[[str], Awaitable[Literal["", "released", "withdrawn"]]]
"""How the item of that id stands: empty for one that readers never saw. Raises BusError."""


def opinions(bus: Bus, standing: Standing, look: Look, clock: Callable[[], float]) -> ASGIApp:
    """The app below `/y-kien`; its pages are drawn by *look*."""
    desk, answers = OpinionDesk(bus, standing, look, clock), Answers(look)
    routes = [
        Route(f"/{HEAD}/{{content_id}}", desk.show),
        Route(f"/{HEAD}/{{content_id}}", desk.take, methods=["POST"]),
        Route(f"/{HEAD}/{{content_id}}/cam-on", desk.thank),
    ]
    handlers = {HTTPException: answers.refused, BusError: answers.away}
    return Guarded(Starlette(routes=routes, exception_handlers=handlers), look)


class OpinionDesk:
    """Counts what was pressed, as one message on OPINIONS."""

    def __init__(
        self, bus: Bus, standing: Standing, look: Look, clock: Callable[[], float]
    ) -> None:
        self.bus = bus
        self.standing = standing
        self.look = look
        self.limits = TokenBuckets(PER_MINUTE, BURST, clock)
        self.repeats = TokenBuckets(A_DAY, AT_ONCE, clock)

    async def show(self, request: Request) -> Response:
        """Nothing is to be seen here: the buttons stand on the item's page."""
        content_id = await self.item(request)
        return RedirectResponse(f"{self.look.base}/tin/{content_id}", HTTPStatus.SEE_OTHER)

    async def take(self, request: Request) -> Response:
        """Whoever presses too often is thanked all the same, and not counted."""
        if foreign(request, self.look.public_url):
            raise HTTPException(HTTPStatus.FORBIDDEN)
        content_id, form = await self.item(request), await forms.read(request)
        said = chosen("muc", Opinion, forms.one(form, "muc"))
        channel = chosen("kenh", ChannelName, forms.one(form, "kenh") or ChannelName.PORTAL)
        if self.too_often(request, content_id):
            log.info("opinion_not_counted", content_id=content_id)
        else:
            subject = subjects.opinion(channel, content_id, said)
            await self.bus.publish(subject, b"", msg_id=uuid4().hex)
            log.info("opinion_counted", content_id=content_id, channel=channel.value)
        thanks = f"{self.look.base}/{HEAD}/{content_id}/cam-on"
        return RedirectResponse(thanks, HTTPStatus.SEE_OTHER)

    async def thank(self, request: Request) -> Response:
        """Where somebody comes who has pressed."""
        return said_of(await self.item(request), self.look, "opinion_thanks")

    async def item(self, request: Request) -> str:
        """The item's id. Raises HTTPException for one that takes no opinions."""
        content_id = named(request)
        stands = await self.standing(content_id) if ID.fullmatch(content_id) else ""
        if not stands:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        if stands == "withdrawn":
            raise HTTPException(HTTPStatus.GONE)
        return content_id

    def too_often(self, request: Request, content_id: str) -> bool:
        who = counted(source(request))
        return self.limits.take(who) > 0 or self.repeats.take(f"{who} {content_id}") > 0


class Answers:
    """What is said where nothing was counted, and why."""

    def __init__(self, look: Look) -> None:
        self.look = look

    def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 -- registered for nothing else
        status = HTTPStatus(error.status_code)
        name = SAID.get(status, "opinion_unreadable")
        own = [error.detail] if status is HTTPStatus.UNPROCESSABLE_ENTITY else []
        answer = said_of(named(request), self.look, name, status, own)
        answer.headers.update(error.headers or {})
        return answer

    def away(self, request: Request, error: Exception) -> Response:
        log.warning("opinions_without_bus", error=type(error).__name__)
        status = HTTPStatus.SERVICE_UNAVAILABLE
        answer = said_of(named(request), self.look, "opinion_away", status)
        answer.headers["Retry-After"] = "10"
        return answer


SAID = {
    HTTPStatus.FORBIDDEN: "opinion_foreign",
    HTTPStatus.NOT_FOUND: "opinion_missing",
    HTTPStatus.GONE: "opinion_gone",
}


def said_of(
    content_id: str, look: Look, name: str, status: int = 200, facts: Sequence[str] = ()
) -> Response:
    """A page of the catalogue; it leads back to the item where there may be one."""
    back = {"text": texts()["opinion"]["back"], "path": f"/tin/{content_id}"}
    links = [back] if ID.fullmatch(content_id) and status != HTTPStatus.NOT_FOUND else []
    return look.say(name, status, facts=facts, more=links)


def named(request: Request) -> str:
    content_id: str = request.path_params.get("content_id", "")
    return content_id


def foreign(request: Request, public_url: str) -> bool:
    """Whether a page of another site sent this, as browsers say; other clients say nothing."""
    if request.headers.get("sec-fetch-site", "none") not in OWN_PAGE:
        return True
    origin = request.headers.get("origin")
    own = (urlsplit(public_url).netloc, request.headers.get("host"))
    return origin is not None and urlsplit(origin).netloc not in own


def chosen(field: str, words: type[T], said: str) -> T:
    """*said* as one of *words*. Raises HTTPException that names the field."""
    try:
        return words(said)
    except ValueError:
        detail = say("opinion", field, known=", ".join(words)).vi
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None
