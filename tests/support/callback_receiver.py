"""A unit's system that takes callbacks, judges their signatures by itself, and notes them."""

import base64
import hashlib
import hmac
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from aiohttp import web

HOST = "127.0.0.1"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Callback(NamedTuple):
    """A callback as it arrived."""

    id: str
    kind: str
    content_id: str | None
    revision: int | None


@dataclass
class CallbackReceiver:
    """`answers` maps a path to what is said there; elsewhere every callback is taken."""

    port: int = 0
    is_secure: bool = True
    secrets: list[str] = field(default_factory=list)
    """Under one of them a callback has to be signed; none: any."""
    answers: dict[str, Answer] = field(default_factory=dict)
    refused_items: set[str] = field(default_factory=set)
    tried: Counter[str] = field(default_factory=Counter)
    arrived: list[Callback] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{'https' if self.is_secure else 'http'}://{HOST}:{self.port}/loa"

    def says(self, status: int, path: str = "/loa", **headers: str) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=status, headers=headers)

        self.answers[path] = answer

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        event = json.loads(body)
        self.tried[event["id"]] += 1
        if not self._is_signed(request, body) or request.headers["webhook-id"] != event["id"]:
            return web.Response(status=401)
        if answer := self.answers.get(request.path):
            return await answer(request)
        if event.get("subject") in self.refused_items:
            return web.Response(status=500)
        data = event["data"]
        known = data["kind"], data.get("content_id"), data.get("revision")
        self.arrived.append(Callback(event["id"], *known))
        return web.Response(status=204)

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        """By the words of Standard Webhooks, not by Loa's code."""
        head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
        given = request.headers["webhook-signature"].split(" ")
        for secret in self.secrets:
            key = base64.b64decode(secret.removeprefix("whsec_"))
            made = hmac.new(key, head.encode() + body, hashlib.sha256).digest()
            if f"v1,{base64.b64encode(made).decode()}" in given:
                return True
        return not self.secrets


@asynccontextmanager
async def open_receiver(
    context: ssl.SSLContext | None = None, port: int = 0, system: CallbackReceiver | None = None
) -> AsyncIterator[CallbackReceiver]:
    """A receiver on this machine, with TLS if *context* is given."""
    receiver = system or CallbackReceiver(is_secure=context is not None)
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port, ssl_context=context)
        await site.start()
        receiver.port = runner.addresses[0][1]
        yield receiver
    finally:
        await runner.cleanup()
