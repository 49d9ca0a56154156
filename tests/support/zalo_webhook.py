"""Zalo's webhook as tests call it: signed events, the app on a port, the sandbox behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
from starlette.types import ASGIApp

from channels.zalo.stand_in import APP_ID, APP_SECRET, OA_ID
from channels.zalo.webhook import endpoint
from channels.zalo.webhook.events import EventKind, ZaloEvent
from channels.zalo.webhook.signature import HEADER, SignatureVerifier
from consumers.app.web.server import WebServer, bind_socket, socket_url
from consumers.zalo.event_publisher import ZaloEventPublisher
from contracts import subjects
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.sandbox_client import SandboxClient, open_sandbox_client
from tests.support.zalo_account import OA_SECRET

SIGNING = SignatureVerifier(APP_ID, OA_SECRET, APP_SECRET)
USER = "4318420240101000777"
AT_MS = 1_799_989_200_000
"""Noon of the account, in Zalo's milliseconds."""
T0 = datetime.fromtimestamp(AT_MS / 1000, UTC)
"""The same noon."""
SECRET_WORDS = "Tôi là Nguyễn Văn A, số định danh 001099012345"
PHONE = "84912345678"


def webhook_event(name: str = "user_send_text", at_ms: int = AT_MS, **body: Any) -> dict[str, Any]:
    """An event as Zalo sends it; *body* is laid over an envelope from a person."""
    envelope = {
        "app_id": APP_ID,
        "sender": {"id": USER},
        "recipient": {"id": OA_ID},
        "user_id_by_app": "99",
        "event_name": name,
        "timestamp": str(at_ms),
    }
    return {**envelope, **body}


def text_event(msg_id: str = "m-1", **more: Any) -> dict[str, Any]:
    return webhook_event(message={"msg_id": msg_id, "text": SECRET_WORDS}, **more)


def event_bytes(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


TEXT = event_bytes(text_event())
"""The bytes of a person's text message."""


def signature_of(body: bytes, id: str = APP_ID, secret: str = OA_SECRET) -> str:
    at = str(json.loads(body)["timestamp"])
    return sha256(id.encode() + body + at.encode() + secret.encode()).hexdigest()


def minutes_past_noon(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def parsed_event(kind: str, minutes: float, user_id: str = USER) -> ZaloEvent:
    """The parsed event, *minutes* past noon."""
    return ZaloEvent(kind=EventKind(kind), key="k", at=minutes_past_noon(minutes), user_id=user_id)


async def post(app: ASGIApp, body: bytes, signature: str | None = None) -> httpx2.Response:
    """One POST, signed as Zalo does unless *signature* says otherwise; empty: not signed."""
    signed = f"mac={signature_of(body)}" if signature is None else signature
    headers = {HEADER.encode(): signed.encode()} if signed else {}
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://loa") as client:
        return await client.post(endpoint.PATH, content=body, headers=headers)


async def receipts(bus: Bus) -> list[dict[str, Any]]:
    """The messages of RECEIPTS."""
    return [json.loads(one.data) async for one in bus.scan(subjects.RECEIPTS.name)]


@asynccontextmanager
async def serve_webhook(app: ASGIApp) -> AsyncIterator[str]:
    """The application on a port of this machine; where it answers."""
    bound = bind_socket("127.0.0.1", 0)
    server = WebServer(app)
    serving = asyncio.create_task(server.serve([bound]))
    try:
        await server.until_started(serving)
        yield socket_url(bound)
    finally:
        await server.finish(serving)
        bound.close()


@dataclass
class WebhookConnection:
    """The sandbox, and our webhook that it tells everything."""

    sandbox_client: SandboxClient
    publisher: ZaloEventPublisher
    bus: Bus

    @property
    def sandbox(self) -> Any:
        return self.sandbox_client.account.sandbox

    async def post_due_events(self) -> list[dict[str, Any]]:
        """Let the sandbox send due events; the messages of RECEIPTS afterwards."""
        await self.sandbox_client.settle()
        return await receipts(self.bus)


@asynccontextmanager
async def open_webhook(
    bus: Bus, folder: Path, clock: FakeClock
) -> AsyncIterator[WebhookConnection]:
    hearing = ZaloEventPublisher(bus)
    app = endpoint.create_app(lambda event: hearing.publish(event), SIGNING)
    async with serve_webhook(app) as url, open_sandbox_client(folder, clock) as zalo:
        await zalo.said("/_sandbox/webhook", {"url": f"{url}{endpoint.PATH}"})
        yield WebhookConnection(zalo, hearing, bus)
