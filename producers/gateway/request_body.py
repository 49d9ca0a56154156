"""Read events from a request within limits of size and time."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from contracts import envelope
from contracts.cloudevent import CloudEvent
from contracts.envelope import Mode, check_size
from contracts.errors import ContractError, UnsupportedMedia, field_error

BATCH_BODY_BYTES = 8 << 20
_BODY_LIMITS = {
    Mode.STRUCTURED: envelope.MAX_EVENT_BYTES,
    Mode.BINARY: envelope.MAX_EVENT_BYTES,
    Mode.BATCH: BATCH_BODY_BYTES,
}
READ_TIMEOUT_S = 30
BYTES_PER_EVENT = 64 << 10
"""A batch counts as so many events as it has times these bytes, if it has fewer."""


@dataclass(frozen=True, slots=True)
class ReceivedEvents:
    """The events of one request: a single one, or a batch."""

    events: list[CloudEvent]
    is_batch: bool = False


ChargeEvents = Callable[[int], None]
"""Counts so many more events of the sender. Raises RateLimited."""


async def read_events(request: Request, charge: ChargeEvents) -> ReceivedEvents:
    """Parse the events in *request*, of which one is charged already.

    Raises ContractError naming each wrong field. A batch is charged whether it is refused or not.
    """
    headers = request.headers
    mode = envelope.mode(headers.get("content-type"), headers)
    request.state.is_binary = mode is Mode.BINARY
    _refuse_compression(headers.get("content-encoding", "identity"))
    body = await _read_body(request, _BODY_LIMITS[mode])
    if mode is Mode.BATCH:
        return ReceivedEvents(await _read_batch(body, charge), is_batch=True)
    if mode is Mode.STRUCTURED:
        return ReceivedEvents([envelope.from_structured(body)])
    return ReceivedEvents([envelope.from_binary(headers, body)])


async def _read_batch(body: bytes, charge: ChargeEvents) -> list[CloudEvent]:
    """The events of a batch; other requests have their turn after each.

    It is charged by its size or by its number, whichever is more; a large one by its size before
    anything is parsed.
    """
    by_size = math.ceil(len(body) / BYTES_PER_EVENT)
    charged = by_size if len(body) > envelope.MAX_EVENT_BYTES else 1
    charge(charged - 1)
    results: list[CloudEvent | ContractError] = []
    try:
        for entry in envelope.batch_entries(body):
            results.append(_read_entry(entry))
            await asyncio.sleep(0)
    finally:
        charge(max(0, by_size - charged, len(results) - charged))
    return envelope.read_each(results, _event_or_raise)


def _read_entry(entry: Any) -> CloudEvent | ContractError:
    try:
        return envelope.from_batch_entry(entry)
    except ContractError as error:
        return error


def _event_or_raise(result: CloudEvent | ContractError) -> CloudEvent:
    if isinstance(result, ContractError):
        raise result
    return result


def _refuse_compression(coding: str) -> None:
    if coding.strip().lower() != "identity":
        error = field_error("Content-Encoding", "content_type", value=coding, accepted="identity")
        raise UnsupportedMedia(error)


async def _read_body(request: Request, limit: int) -> bytes:
    """Read the body, limited in size and time."""
    announced = request.headers.get("content-length", "")
    check_size(int(announced) if announced.isdecimal() and len(announced) < 20 else 0, limit)
    body = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                check_size(len(body), limit)
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, str(READ_TIMEOUT_S)) from error
    return bytes(body)
