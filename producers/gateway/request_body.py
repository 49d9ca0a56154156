"""Read events from a request within limits of size and time."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from contracts import envelope
from contracts.cloudevent import CloudEvent
from contracts.envelope import Mode, check_size
from contracts.errors import UnsupportedMedia, field_error

BATCH_BODY_BYTES = 8 << 20
_BODY_LIMITS = {
    Mode.STRUCTURED: envelope.MAX_EVENT_BYTES,
    Mode.BINARY: envelope.MAX_EVENT_BYTES,
    Mode.BATCH: BATCH_BODY_BYTES,
}
READ_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class ReceivedEvents:
    """The events of one request: a single one, or a batch."""

    events: list[CloudEvent]
    is_batch: bool = False


async def read_events(request: Request) -> ReceivedEvents:
    """Parse the events in *request*. Raises ContractError naming each wrong field."""
    headers = request.headers
    mode = envelope.mode(headers.get("content-type"), headers)
    _refuse_compression(headers.get("content-encoding", "identity"))
    body = await _read_body(request, _BODY_LIMITS[mode])
    if mode is Mode.BATCH:
        return ReceivedEvents(envelope.from_batch(body), is_batch=True)
    if mode is Mode.STRUCTURED:
        return ReceivedEvents([envelope.from_structured(body)])
    return ReceivedEvents([envelope.from_binary(headers, body)])


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
