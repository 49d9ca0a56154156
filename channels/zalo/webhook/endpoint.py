"""Webhook endpoint /zalo/webhook: each event is stored before Zalo gets 200.

Zalo expects the answer within two seconds, repeats an event for almost two hours, and keeps no
order. Therefore no event is too old, and duplicates are recognised by their key alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from channels.errors import ChannelError
from channels.zalo.client.response import json_object
from channels.zalo.errors import BodyTooLarge, UnusableEvent
from channels.zalo.webhook import events
from channels.zalo.webhook.events import ZaloEvent
from channels.zalo.webhook.signature import HEADER, SignatureVerifier
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock

log = structlog.get_logger()
PATH = "/zalo/webhook"
BODY_MAX = 16 << 10
"""Bytes of an event; a person's text has 2,000 characters at most."""
_BODY_TIMEOUT_S = 10.0
_LOG_EVERY_S = 60.0
_READ_ERRORS: dict[type[Exception], HTTPStatus] = {
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TimeoutError: HTTPStatus.REQUEST_TIMEOUT,
    ClientDisconnect: HTTPStatus.BAD_REQUEST,
}

StoreEvent = Callable[[ZaloEvent], Awaitable[None]]
"""Store an event durably. Raises ChannelError when the result is unknown."""


@dataclass
class LogThrottle:
    """Limits a log line to once a minute, so that strangers cannot fill the log."""

    clock: Clock
    times: int = 0
    not_before: float = float("-inf")

    def due_count(self) -> int:
        """Occurrences since the last log line; 0 while no line is due."""
        self.times += 1
        if self.clock() < self.not_before:
            return 0
        self.not_before = self.clock() + _LOG_EVERY_S
        times, self.times = self.times, 0
        return times


class WebhookEndpoint:
    """Verifies events, stores them, and acknowledges them only then."""

    def __init__(self, store: StoreEvent, verifier: SignatureVerifier, clock: Clock) -> None:
        self.store = store
        self.verifier = verifier
        self.forged, self.not_set_up = LogThrottle(clock), LogThrottle(clock)

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self.probe, methods=["GET"]),
            Route(PATH, self.receive, methods=["POST"]),
        ]

    async def probe(self, _: Request) -> Response:
        """The console's check of a new address."""
        return _status_response(HTTPStatus.OK)

    async def receive(self, request: Request) -> Response:
        try:
            body = await _read_bounded(request)
        except tuple(_READ_ERRORS) as error:
            return _status_response(_READ_ERRORS[type(error)])
        given = request.headers.get(HEADER, "")
        if not given:
            return _status_response(HTTPStatus.OK)  # the console's second check
        if not self.verifier.is_configured:
            if times := self.not_set_up.due_count():
                log.error("zalo_webhook_without_secret", times=times)
            return _status_response(HTTPStatus.SERVICE_UNAVAILABLE)
        return await self.verify_and_store(given, body)

    async def verify_and_store(self, given: str, body: bytes) -> Response:
        if not self.verifier.signs(given, body):
            return self.refuse(given, body)
        raw = json_object(body)
        if raw is None:
            return _status_response(HTTPStatus.BAD_REQUEST)
        try:
            event = events.parse_event(raw)
        except UnusableEvent as unusable:
            log.warning("zalo_event_unusable", zalo_event=str(unusable))
            return _status_response(HTTPStatus.OK)  # a repetition has the same bytes
        return await self.store_event(event) if event else _status_response(HTTPStatus.OK)

    def refuse(self, given: str, body: bytes) -> Response:
        """Refuse a signature. The search for an explanation takes ten hashes: once a minute."""
        if times := self.forged.due_count():
            variant = self.verifier.explain_mismatch(given, body, json_object(body) or {})
            log.warning("zalo_webhook_refused", would_fit=variant, times=times)
        return _status_response(HTTPStatus.FORBIDDEN)

    async def store_event(self, event: ZaloEvent) -> Response:
        try:
            await self.store(event)
        except ChannelError as trouble:
            log.warning("zalo_event_not_stored", kind=event.kind.value, reason=trouble.reason)
            return _status_response(HTTPStatus.SERVICE_UNAVAILABLE)
        crash_point("zalo.event_stored")
        return _status_response(HTTPStatus.OK)


def create_app(
    store: StoreEvent, verifier: SignatureVerifier, clock: Clock = time.monotonic
) -> Starlette:
    """The webhook as an application of its own."""
    app = Starlette(routes=WebhookEndpoint(store, verifier, clock).routes())
    app.router.redirect_slashes = False  # its redirects would trust the Host header
    return app


def _status_response(status: HTTPStatus) -> Response:
    return PlainTextResponse(status.phrase, status)


async def _read_bounded(request: Request) -> bytes:
    """The body, byte for byte. Raises BodyTooLarge, TimeoutError."""
    body = bytearray()
    async with asyncio.timeout(_BODY_TIMEOUT_S):
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_MAX:
                raise BodyTooLarge
    return bytes(body)
