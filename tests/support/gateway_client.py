"""The gateway as a sender meets it: every answer is held against the gateway's own OpenAPI."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from contracts import subjects
from contracts.testing import sample
from contracts.vocabulary import DEFAULT
from design.settings import SiteIdentity
from producers import acceptance
from producers.bus import Bus
from producers.gateway import add_docs_page, create_gateway
from producers.units.registry import UnitRegistry

UNIT = "trung-tam-cong-nghe-thong-tin"
OTHER = "van-phong-bo"
DOCUMENT: dict[str, Any] = {}
"""The OpenAPI document, as the first gateway has served it: it is the same for all."""
VALIDATORS: dict[tuple[str, str, int, str], Any] = {}
"""By path, method, status and content type, one for each answer that the document promises."""
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def sample_event(kind: str = "submitted", *, id: str = "e-1", **data: Any) -> dict[str, Any]:
    """A good event of UNIT whose data changes by keyword."""
    event = sample(kind, **data)
    named = {"id": id, "source": f"/units/{UNIT}"}
    content_id = event["data"].get("content_id")
    return event | named | ({"subject": content_id} if content_id else {})


async def stored_events(bus: Bus) -> list[dict[str, Any]]:
    """Events on CONTENT."""
    return [json.loads(message.data) async for message in bus.scan(subjects.CONTENT.name)]


class GatewayClient:
    """One sender in front of a gateway, with the key of UNIT."""

    def __init__(self, client: httpx2.AsyncClient, bus: Bus, registry: UnitRegistry) -> None:
        self.client = client
        self.bus = bus
        self.registry = registry
        self.key = ""

    async def post(
        self,
        body: Any,
        content_type: str = STRUCTURED,
        key: str | None = None,
        path: str = "/v1/events",
        **headers: str,
    ) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return await self.request("POST", path, key, content, content_type, named)

    async def get(self, path: str, key: str | None = None) -> httpx2.Response:
        return await self.request("GET", path, key)

    async def request(
        self,
        method: str,
        path: str,
        key: str | None = None,
        content: bytes | None = None,
        content_type: str = "",
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        key = self.key if key is None else key
        said = {"Authorization": f"Bearer {key}"} if key else {}
        if content_type:
            said["Content-Type"] = content_type
        answer = await self.client.request(
            method, path, content=content, headers=said | (headers or {})
        )
        self.check_against_schema(method.lower(), path, answer)
        return answer

    def check_against_schema(self, method: str, path: str, answer: httpx2.Response) -> None:
        """The status, the content type and the body are those that the document promises."""
        own = path.partition("?")[0]
        template = own if own in DOCUMENT["paths"] else "/v1/events/{event_id}"
        operation = DOCUMENT["paths"].get(template, {}).get(method)
        if operation is None or not path.startswith(("/v1/events", "/v1/dry-runs")):
            return
        promised = operation["responses"][str(answer.status_code)]
        media = answer.headers["content-type"]
        key = (template, method, answer.status_code, media)
        if key not in VALIDATORS:
            schema = promised["content"][media]["schema"]
            parts = {"components": DOCUMENT["components"]}
            VALIDATORS[key] = jsonschema_rs.validator_for(schema | parts)
        VALIDATORS[key].validate(answer.json())
        assert {name.lower() for name in promised.get("headers", {})} <= set(answer.headers)

    async def stored_events(self) -> list[dict[str, Any]]:
        return await stored_events(self.bus)


@asynccontextmanager
async def open_gateway(
    bus: Bus, clock: Any, identity: SiteIdentity | None = None, **options: Any
) -> AsyncIterator[GatewayClient]:
    app = create_gateway(bus, DEFAULT, clock, **options)
    add_docs_page(app, identity or SiteIdentity())
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://loa") as client:
        door = GatewayClient(client, bus, UnitRegistry(bus, DEFAULT, clock))
        if await door.registry.find(UNIT) is None:  # another gateway may have registered it
            door.key = await door.registry.add(UNIT, release="automatic")
        if not DOCUMENT:
            DOCUMENT.update((await client.get("/openapi.json")).json())
        yield door


IN_EARNEST_S, HURRIED_S = acceptance.ANSWER_TIMEOUT_S, 1.0


@pytest.fixture
def in_earnest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The door's own limit, which tests are spared otherwise."""
    monkeypatch.setattr(acceptance, "ANSWER_TIMEOUT_S", IN_EARNEST_S)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The door waits for a second only."""
    monkeypatch.setattr(acceptance, "ANSWER_TIMEOUT_S", HURRIED_S)
