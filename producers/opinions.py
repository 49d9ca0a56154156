"""What readers think of an item: three buttons on its page, one POST, and nothing about the reader.

No cookie, no address, no name is kept or logged. How often one address of the internet has pressed
is known to this process alone, until it ends: enough against a finger that does not stop.
"""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar
from uuid import uuid4

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from contracts import subjects
from contracts.base import ID_PATTERN
from contracts.delivery import ChannelName
from contracts.opinion import Opinion
from producers.bus import Bus, BusError
from producers.gateway.limits import TokenBuckets
from producers.pages import forms
from producers.pages.limits import counted, source
from producers.wording import say

log = structlog.get_logger()
HEAD = "y-kien"
THANKS = "/cam-on/"
PER_MINUTE, BURST = 10.0, 60.0
"""For all items together, by one address: an office behind one address is many."""
A_DAY, AT_ONCE = 5 / 1440, 5.0
"""For one item, by one address."""
NOT_KEPT = {"Cache-Control": "no-store"}
ID = re.compile(ID_PATTERN)
T = TypeVar("T", Opinion, ChannelName)
Known = Callable[[str], Awaitable[bool]]
"""Whether readers can see, or could see, the item of that id. Raises BusError."""


def opinions(bus: Bus, known: Known, root: str, clock: Callable[[], float]) -> Starlette:
    """The app below `/y-kien`; *root* is what stands before every path of the portal."""
    desk = OpinionDesk(bus, known, root, clock)
    routes = [
        Route(f"/{HEAD}/{{content_id}}", desk.show),
        Route(f"/{HEAD}/{{content_id}}", desk.take, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: refused, BusError: away})


class OpinionDesk:
    """Counts what was pressed, as one message on OPINIONS."""

    def __init__(self, bus: Bus, known: Known, root: str, clock: Callable[[], float]) -> None:
        self.bus = bus
        self.known = known
        self.root = root
        self.limits = TokenBuckets(PER_MINUTE, BURST, clock)
        self.repeats = TokenBuckets(A_DAY, AT_ONCE, clock)

    async def show(self, request: Request) -> Response:
        """Nothing is to be seen here: the buttons stand on the item's page."""
        content_id = await self.item(request)
        return RedirectResponse(f"{self.root}/tin/{content_id}", HTTPStatus.SEE_OTHER)

    async def take(self, request: Request) -> Response:
        """Whoever presses too often is thanked all the same, and not counted."""
        content_id, form = await self.item(request), await forms.read(request)
        said = chosen("muc", Opinion, forms.one(form, "muc"))
        channel = chosen("kenh", ChannelName, forms.one(form, "kenh") or ChannelName.PORTAL)
        if self.too_often(request, content_id):
            log.info("opinion_not_counted", content_id=content_id)
        else:
            subject = subjects.opinion(channel, content_id, said)
            await self.bus.publish(subject, b"", msg_id=uuid4().hex)
            log.info("opinion_counted", content_id=content_id, channel=channel.value)
        return RedirectResponse(self.root + THANKS, HTTPStatus.SEE_OTHER, NOT_KEPT)

    async def item(self, request: Request) -> str:
        content_id: str = request.path_params["content_id"]
        if not ID.fullmatch(content_id) or not await self.known(content_id):
            raise HTTPException(HTTPStatus.NOT_FOUND, say("opinion", "item").vi)
        return content_id

    def too_often(self, request: Request, content_id: str) -> bool:
        who = counted(source(request))
        return self.limits.take(who) > 0 or self.repeats.take(f"{who} {content_id}") > 0


def chosen(field: str, words: type[T], said: str) -> T:
    """*said* as one of *words*. Raises HTTPException that names the field."""
    try:
        return words(said)
    except ValueError:
        detail = say("opinion", field, known=", ".join(words)).vi
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None


def refused(_: Request, error: Exception) -> Response:
    """Why it was not counted."""
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for nothing else
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


def away(_: Request, error: Exception) -> Response:
    log.warning("opinions_without_bus", error=type(error).__name__)
    headers = {"Retry-After": "10"}
    return PlainTextResponse(f"{say('opinion', 'away').vi}\n", 503, headers)
