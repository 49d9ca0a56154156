"""/zalo/webhook: Zalo tells what happened; each event is stored before Zalo hears a yes.

Zalo wants its answer within two seconds, tells the same event again for almost two hours, and in
any order. So no event is too old, and only its key says that we have it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from channels.errors import ChannelError
from channels.zalo import events
from channels.zalo.envelope import json_object, text_of
from channels.zalo.events import ZaloEvent
from channels.zalo.signature import HEADER, Signing
from contracts.crash import crash_point

log = structlog.get_logger()
PATH = "/zalo/webhook"
BODY_MAX = 256 << 10
COMPLETE_S = 10.0
TOLD_EVERY_S = 60.0

Clock = Callable[[], float]
Store = Callable[[ZaloEvent], Awaitable[None]]
"""Returns once the event would survive a crash. Raises ChannelError when that is not sure."""


class TooLarge(Exception):
    """More than any event has."""


class Seldom:
    """Lets something be told once a minute: strangers who call us must not fill the log."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.times = 0
        self.not_before = float("-inf")

    def due(self) -> int:
        """How often it has happened since it was last told; 0: not to be told now."""
        self.times += 1
        if self.clock() < self.not_before:
            return 0
        self.not_before = self.clock() + TOLD_EVERY_S
        times, self.times = self.times, 0
        return times


class Webhook:
    """Takes what is signed, hands it on to be stored, and says yes only then."""

    def __init__(self, store: Store, signing: Signing, clock: Clock) -> None:
        self.store = store
        self.signing = signing
        self.forged, self.not_set_up = Seldom(clock), Seldom(clock)

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self.probe, methods=["GET"]),
            Route(PATH, self.hear, methods=["POST"]),
        ]

    async def probe(self, _: Request) -> Response:
        """The console asks before it takes an address."""
        return answer(HTTPStatus.OK)

    async def hear(self, request: Request) -> Response:
        try:
            body = await bounded(request)
        except TooLarge:
            return answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except TimeoutError:
            return answer(HTTPStatus.REQUEST_TIMEOUT)
        except ClientDisconnect:
            return answer(HTTPStatus.BAD_REQUEST)  # nobody hears it
        given = request.headers.get(HEADER, "")
        if not given:
            return answer(HTTPStatus.OK)  # the console's other probe; nothing in it is believed
        if not self.signing.configured:
            if times := self.not_set_up.due():
                log.error("zalo_webhook_without_secret", times=times)
            return answer(HTTPStatus.SERVICE_UNAVAILABLE)
        return await self.judge(given, body)

    async def judge(self, given: str, body: bytes) -> Response:
        said = json_object(body)
        if said is None:
            return answer(HTTPStatus.BAD_REQUEST)
        if not self.signing.fits(given, body, text_of(said, "timestamp")):
            return self.refuse(given, body, said)
        try:
            event = events.read(said)
        except events.Unusable as unusable:
            log.warning("zalo_event_unusable", zalo_event=str(unusable))
            return answer(HTTPStatus.OK)  # the same bytes would be no better next time
        return await self.keep(event) if event else answer(HTTPStatus.OK)

    def refuse(self, given: str, body: bytes, said: Mapping[str, Any]) -> Response:
        """To look for what would explain a signature takes ten hashes: not for everybody."""
        if times := self.forged.due():
            variant = self.signing.variant(given, body, said)
            log.warning("zalo_webhook_refused", would_fit=variant, times=times)
        return answer(HTTPStatus.FORBIDDEN)

    async def keep(self, event: ZaloEvent) -> Response:
        try:
            await self.store(event)
        except ChannelError as trouble:
            log.warning("zalo_event_not_stored", kind=event.kind.value, reason=trouble.reason)
            return answer(HTTPStatus.SERVICE_UNAVAILABLE)
        crash_point("zalo.event_stored")
        return answer(HTTPStatus.OK)


def app(store: Store, signing: Signing, clock: Clock = time.monotonic) -> Starlette:
    """The webhook as an application of its own."""
    return Starlette(routes=Webhook(store, signing, clock).routes())


def answer(status: HTTPStatus) -> Response:
    return PlainTextResponse(status.phrase, status)


async def bounded(request: Request) -> bytes:
    """The body as it came, byte for byte. Raises TooLarge, TimeoutError."""
    body = bytearray()
    async with asyncio.timeout(COMPLETE_S):
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_MAX:
                raise TooLarge
    return bytes(body)
