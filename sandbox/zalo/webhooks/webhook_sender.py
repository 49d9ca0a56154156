"""Sends webhook events to the app: signed, retried, and given up after the last retry."""

import asyncio
from dataclasses import asdict, dataclass
from hashlib import sha256
from http import HTTPStatus

import aiohttp
from yarl import URL

from channels.zalo.stand_in import APP_ID
from sandbox.zalo.state.webhook_queue import RETRY_DELAYS_S, QueuedEvent
from sandbox.zalo.state.world import World
from sandbox.zalo.webhooks.allowed_addresses import AllowedAddresses

_UNANSWERED = 0
"""Status of an attempt without connection, or without an answer in time."""
_JSON = "application/json"


@dataclass(frozen=True)
class DeliveryAttempt:
    """One attempt to send an event."""

    id: str
    number: int
    status: int
    fault: str = ""


class WebhookSender:
    """Sends due events, one round at a time, so that no event is sent twice by accident."""

    def __init__(self, world: World, oa_secret: str, allowed: AllowedAddresses) -> None:
        self.world = world
        self.oa_secret = oa_secret
        self.allowed = allowed
        self.lock = asyncio.Lock()
        self.session: aiohttp.ClientSession | None = None

    async def deliver(self) -> list[DeliveryAttempt]:
        """Send all events that are due on the sandbox's clock."""
        async with self.lock:
            tried: list[DeliveryAttempt] = []
            while batch := self.due():
                for event in batch:
                    if event.id in self.world.webhook_queue.waiting:
                        tried += await self.send_copies(event)
            return tried

    def due(self) -> list[QueuedEvent]:
        return self.world.webhook_queue.due(self.world.clock(), self.world.rules.webhook_shuffle)

    async def send_copies(self, event: QueuedEvent) -> list[DeliveryAttempt]:
        """Send the configured number of copies; the last one decides."""
        copies = max(1, self.world.rules.webhook_copies)
        tried = [await self.send(event) for _ in range(copies)]
        self.record_attempt(event, tried[-1])
        return tried

    def record_attempt(self, event: QueuedEvent, last: DeliveryAttempt) -> None:
        world = self.world
        failed = last.status != HTTPStatus.OK
        again = failed and event.tries < len(RETRY_DELAYS_S)
        world.record("event_posted", **asdict(last), again=again)
        if failed and not again:
            world.record("webhook_disabled")

    async def send(self, event: QueuedEvent) -> DeliveryAttempt:
        headers = {"X-ZEvent-Signature": self.sign(event)}
        if event.server:
            headers["X-ZEvent-Server"] = event.server
        if event.tries:
            headers["num_retry"] = str(event.tries)
        status, fault = await self.request("POST", event.body.encode(), headers)
        return DeliveryAttempt(event.id, event.tries, status, fault)

    async def request(self, method: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """The status, or 0 and the name of the error. A redirect is an answer, never followed."""
        if not self.allowed.allow(self.world.webhook_queue.url):
            return _UNANSWERED, "AddressNotAllowed"
        patience = aiohttp.ClientTimeout(total=self.world.rules.webhook_timeout_s)
        typed = headers | {"Content-Type": _JSON} if body else headers
        url = URL(self.world.webhook_queue.url)
        try:
            async with self.client().request(
                method,
                url,
                data=body or None,
                headers=typed,
                timeout=patience,
                allow_redirects=False,
            ) as answer:
                return answer.status, ""
        except (aiohttp.ClientError, TimeoutError) as fault:
            return _UNANSWERED, type(fault).__name__

    def sign(self, event: QueuedEvent) -> str:
        """Plain SHA-256 over app id, raw body, timestamp and the Official Account's secret."""
        signed = f"{APP_ID}{event.body}{event.timestamp}{self.oa_secret}"
        return f"mac={sha256(signed.encode()).hexdigest()}"

    async def probe(self) -> dict[str, int]:
        """The console's probe: a GET for a new address, and an unsigned POST to save it."""
        got, _ = await self.request("GET", b"", {})
        posted, _ = await self.request("POST", b"{}", {})
        return {"get": got, "post": posted}

    def client(self) -> aiohttp.ClientSession:
        if self.session is None:
            self.session = aiohttp.ClientSession(auto_decompress=False)
        return self.session

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()
