"""Read a server's monitoring pages: health, settings, version."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from producers.bus.errors import NoReply

_CHUNK_BYTES, _PAGE_MAX_BYTES = 64 << 10, 32 << 20
_HEALTH_PAGE = "/healthz"  # also reports unwritable streams, which need a restart


async def fetch_page(url: str, page: str, timeout_s: float = 2.0) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON of *page* (like "/varz") on the monitoring address *url*."""
    try:
        async with asyncio.timeout(timeout_s):
            return _parse(await _get(url, page))
    except (TimeoutError, OSError, ValueError, IndexError) as error:
        raise NoReply(f"{_origin(url)}{page}: {type(error).__name__}") from error


async def health_problem(url: str, page: str = _HEALTH_PAGE) -> str | None:
    """The health error reported by the server at *url*; None if it is healthy."""
    try:
        status, report = await fetch_page(url, page)
    except NoReply as error:
        return str(error)
    return None if status == 200 else str(report.get("error", status))


async def _get(url: str, page: str) -> bytes:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None)
    try:
        path = f"{parts.path.rstrip('/')}{page}"
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        await writer.drain()
        return await _read_limited(reader)
    finally:
        writer.close()


async def _read_limited(reader: asyncio.StreamReader) -> bytes:
    """Everything that comes. Raises ValueError beyond _PAGE_MAX_BYTES."""
    page = bytearray()
    while chunk := await reader.read(_CHUNK_BYTES):
        page += chunk
        if len(page) > _PAGE_MAX_BYTES:
            raise ValueError(f"more than {_PAGE_MAX_BYTES} bytes")
    return bytes(page)


def _origin(url: str) -> str:
    """The server in *url*, without the path: that of an embedded server is a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _parse(answer: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    report = json.loads(body)
    if not isinstance(report, dict):
        raise ValueError("not an object")
    return int(head.split(None, 2)[1]), report
