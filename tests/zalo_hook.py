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

from channels.zalo import webhook
from channels.zalo.events import EventKind, ZaloEvent
from channels.zalo.sandbox.oauth import APP_ID, APP_SECRET, OA_ID, OA_SECRET
from channels.zalo.signature import HEADER, Signing
from consumers.app.web import WebServer, address, listen
from consumers.zalo.hearing import Hearing
from contracts import subjects
from producers.bus import Bus
from tests.conftest import Clock
from tests.test_zalo_sandbox import Client, calling

SIGNING = Signing(APP_ID, OA_SECRET, APP_SECRET)
USER = "4318420240101000777"
AT_MS = 1_799_989_200_000
"""Noon on the stage, in Zalo's milliseconds."""
T0 = datetime.fromtimestamp(AT_MS / 1000, UTC)
"""The same noon."""
SECRET_WORDS = "Tôi là Nguyễn Văn A, số định danh 001099012345"
PHONE = "84912345678"


def an_event(name: str = "user_send_text", at_ms: int = AT_MS, **body: Any) -> dict[str, Any]:
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


def a_text(msg_id: str = "m-1", **more: Any) -> dict[str, Any]:
    return an_event(message={"msg_id": msg_id, "text": SECRET_WORDS}, **more)


def written(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


TEXT = written(a_text())
"""A message that somebody sends, as its bytes come in."""


def mac(body: bytes, id: str = APP_ID, secret: str = OA_SECRET) -> str:
    at = str(json.loads(body)["timestamp"])
    return sha256(id.encode() + body + at.encode() + secret.encode()).hexdigest()


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def told(kind: str, minutes: float, user_id: str = USER) -> ZaloEvent:
    """What the webhook makes of an event at so many *minutes* past noon."""
    return ZaloEvent(kind=EventKind(kind), key="k", at=at(minutes), user_id=user_id)


async def post(app: ASGIApp, body: bytes, signature: str | None = None) -> httpx2.Response:
    """One POST, signed as Zalo does unless *signature* says otherwise; empty: not signed."""
    signed = f"mac={mac(body)}" if signature is None else signature
    headers = {HEADER.encode(): signed.encode()} if signed else {}
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://loa") as client:
        return await client.post(webhook.PATH, content=body, headers=headers)


async def receipts(bus: Bus) -> list[dict[str, Any]]:
    """What RECEIPTS holds."""
    return [json.loads(one.data) async for one in bus.scan(subjects.RECEIPTS.name)]


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The application on a port of this machine; where it answers."""
    bound = listen("127.0.0.1", 0)
    server = WebServer(app)
    serving = asyncio.create_task(server.serve([bound]))
    try:
        await server.until_started(serving)
        yield address(bound)
    finally:
        await server.end(serving)
        bound.close()


@dataclass
class Line:
    """The sandbox, and our webhook that it tells everything."""

    zalo: Client
    hearing: Hearing
    bus: Bus

    @property
    def sandbox(self) -> Any:
        return self.zalo.stage.sandbox

    async def heard(self) -> list[dict[str, Any]]:
        """Have the sandbox post what is due; what RECEIPTS holds then."""
        await self.zalo.settle()
        return await receipts(self.bus)


@asynccontextmanager
async def connected(bus: Bus, folder: Path, clock: Clock) -> AsyncIterator[Line]:
    hearing = Hearing(bus)
    app = webhook.app(lambda event: hearing.store(event), SIGNING)
    async with served(app) as url, calling(folder, clock) as zalo:
        await zalo.said("/_sandbox/webhook", {"url": f"{url}{webhook.PATH}"})
        yield Line(zalo, hearing, bus)
