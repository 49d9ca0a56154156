"""Reader reactions: three buttons on an item's page, one POST, no data about the reader.

No cookie, address or name is stored or logged. Presses per IP address are counted in memory
only, to limit repeats.
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
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from contracts import subjects
from contracts.base.fields import ID_PATTERN
from contracts.base.networks import SITE_BITS, address_group
from contracts.delivery import ChannelName
from contracts.subscriptions.reaction import Reaction
from producers.bus import Bus, BusError
from producers.pages import forms
from producers.pages.app import RETRY_SOON, PageHeaders
from producers.pages.mail_limits import client_address
from producers.pages.rendering import PAGE_HEADERS, Renderer, page_texts
from producers.texts import get_text
from producers.token_buckets import TokenBuckets

log = structlog.get_logger()
REACTIONS_PATH = "y-kien"
_PER_MINUTE, BURST = 10.0, 60.0
"""Limit per IP address for all items; an office behind one address has many people."""
_PER_ITEM_PER_MINUTE, PER_ITEM_BURST = 5 / 1440, 5.0
"""Limit per IP address (IPv6: /64) for one item."""
_SITE_SHARE = 20
"""A customer's IPv6 network (/48) may press as often as so many of its parts."""
_SAME_SITE_VALUES = ("same-origin", "none")
_CONTENT_ID_PATTERN = re.compile(ID_PATTERN)
T = TypeVar("T", Reaction, ChannelName)
ItemStateLookup = Callable[[str], Awaitable[Literal["", "released", "withdrawn"]]]
"""State of an item by id; empty for an unpublished one. Raises BusError."""


def create_reactions(
    bus: Bus, item_state: ItemStateLookup, renderer: Renderer, clock: Callable[[], float]
) -> ASGIApp:
    """Create the app below `/y-kien`; *renderer* draws its pages."""
    reactions = ReactionRoutes(bus, item_state, renderer, clock)
    errors = ReactionErrorPages(renderer)
    routes = [
        Route(f"/{REACTIONS_PATH}/{{content_id}}", reactions.redirect_to_item),
        Route(f"/{REACTIONS_PATH}/{{content_id}}", reactions.record_reaction, methods=["POST"]),
        Route(f"/{REACTIONS_PATH}/{{content_id}}/cam-on", reactions.show_thanks),
    ]
    handlers = {HTTPException: errors.http_error, BusError: errors.bus_unavailable}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # its redirects would trust the Host header
    return PageHeaders(app, PAGE_HEADERS)


class ReactionRoutes:
    """Stores each reaction as one message on OPINIONS."""

    def __init__(
        self, bus: Bus, item_state: ItemStateLookup, renderer: Renderer, clock: Callable[[], float]
    ) -> None:
        self.bus = bus
        self.item_state = item_state
        self.renderer = renderer
        self.limits = TokenBuckets(_PER_MINUTE, BURST, clock)
        self.repeats = TokenBuckets(_PER_ITEM_PER_MINUTE, PER_ITEM_BURST, clock)
        self.sites = TokenBuckets(
            _SITE_SHARE * _PER_ITEM_PER_MINUTE, _SITE_SHARE * PER_ITEM_BURST, clock
        )

    async def redirect_to_item(self, request: Request) -> Response:
        """Redirect to the item's page, which has the buttons."""
        content_id = await self.require_item(request)
        return self.renderer.redirect(f"/tin/{content_id}")

    async def record_reaction(self, request: Request) -> Response:
        """Store one reaction; above the limit, answer the same without counting."""
        if _is_cross_site(request, self.renderer.public_url):
            raise HTTPException(HTTPStatus.FORBIDDEN)
        content_id, form = await self.require_item(request), await forms.read_form(request)
        reaction = _parse_choice("muc", Reaction, forms.single_value(form, "muc"))
        name = forms.single_value(form, "kenh") or ChannelName.PORTAL
        channel = _parse_choice("kenh", ChannelName, name)
        if self.is_rate_limited(request, content_id):
            log.info("opinion_not_counted", content_id=content_id)
        else:
            subject = subjects.reaction(channel, content_id, reaction)
            await self.bus.publish(subject, b"", msg_id=uuid4().hex)
            log.info("opinion_counted", content_id=content_id, channel=channel.value)
        return self.renderer.redirect(f"/{REACTIONS_PATH}/{content_id}/cam-on")

    async def show_thanks(self, request: Request) -> Response:
        return _item_message_page(await self.require_item(request), self.renderer, "opinion_thanks")

    async def require_item(self, request: Request) -> str:
        """The item's id. Raises HTTPException for an item that takes no reactions."""
        content_id = _content_id_of(request)
        is_id = _CONTENT_ID_PATTERN.fullmatch(content_id)
        state = await self.item_state(content_id) if is_id else ""
        if not state:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        if state == "withdrawn":
            raise HTTPException(HTTPStatus.GONE)
        return content_id

    def is_rate_limited(self, request: Request, content_id: str) -> bool:
        address = client_address(request)
        group, site = address_group(address), address_group(address, ipv6_bits=SITE_BITS)
        return (
            self.limits.take(group) > 0
            or self.repeats.take(f"{group} {content_id}") > 0
            or (site != group and self.sites.take(f"{site} {content_id}") > 0)
        )


class ReactionErrorPages:
    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer

    def http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 -- registered for nothing else
        status = HTTPStatus(error.status_code)
        name = _REACTION_MESSAGE_NAMES.get(status, "opinion_unreadable")
        own = [error.detail] if status is HTTPStatus.UNPROCESSABLE_ENTITY else []
        answer = _item_message_page(_content_id_of(request), self.renderer, name, status, own)
        answer.headers.update(error.headers or {})
        return answer

    def bus_unavailable(self, request: Request, error: Exception) -> Response:
        log.warning("opinions_without_bus", error=type(error).__name__)
        status = HTTPStatus.SERVICE_UNAVAILABLE
        page = _item_message_page(_content_id_of(request), self.renderer, "opinion_away", status)
        page.headers.update(RETRY_SOON)
        return page


_REACTION_MESSAGE_NAMES = {
    HTTPStatus.FORBIDDEN: "opinion_foreign",
    HTTPStatus.NOT_FOUND: "opinion_missing",
    HTTPStatus.GONE: "opinion_gone",
}


def _item_message_page(
    content_id: str, renderer: Renderer, name: str, status: int = 200, facts: Sequence[str] = ()
) -> Response:
    """A message page with a link back to the item, if there is one."""
    back = {"text": page_texts()["opinion"]["back"], "path": f"/tin/{content_id}"}
    exists = _CONTENT_ID_PATTERN.fullmatch(content_id) and status != HTTPStatus.NOT_FOUND
    return renderer.message_page(name, status, facts=facts, more=[back] if exists else [])


def _content_id_of(request: Request) -> str:
    content_id: str = request.path_params.get("content_id", "")
    return content_id


def _is_cross_site(request: Request, public_url: str) -> bool:
    """Whether another site's page sent the request, by its headers; clients may omit them."""
    if request.headers.get("sec-fetch-site", "none") not in _SAME_SITE_VALUES:
        return True
    origin = request.headers.get("origin")
    own = (urlsplit(public_url).netloc, request.headers.get("host"))
    return origin is not None and urlsplit(origin).netloc not in own


def _parse_choice(field: str, choices: type[T], value: str) -> T:
    """*value* as a member of *choices*. Raises HTTPException naming the field."""
    try:
        return choices(value)
    except ValueError:
        detail = get_text("opinion", field, known=", ".join(choices)).vi
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None
