"""HTTP transport: one request, one response, and the possible effect without a response.

Unreachable       no byte was written: the request had no effect
AmbiguousResult   it was written, and no usable answer came: it may have had its effect
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from channels.errors import Unreachable
from channels.zalo.errors import AmbiguousResult

CONNECT_S = 2.0
READ_S = 15.0
BODY_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; never logged, because its headers carry the token."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status, headers and body, of any content."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AiohttpTransport:
    """HTTP over aiohttp.

    Each request opens its own connection: a kept connection that the other side has just closed
    would turn a harmless refusal into an ambiguous result, and a publication needs few requests.
    """

    def __init__(self, *, connect_s: float = CONNECT_S, read_s: float = READ_S) -> None:
        self.timeout = aiohttp.ClientTimeout(
            total=connect_s + read_s, connect=connect_s, sock_connect=connect_s, sock_read=read_s
        )
        self.http: aiohttp.ClientSession | None = None

    async def exchange(self, request: Request) -> HttpResponse:
        """Send a request once; a POST is never repeated. Raises Unreachable or AmbiguousResult."""
        try:
            async with self.session().request(
                request.method,
                request.url,
                headers=request.headers,
                params=request.query,
                data=request.body,
                allow_redirects=False,
                timeout=self.timeout,
            ) as answer:
                return HttpResponse(answer.status, answer.headers, await _read_body(answer))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"no connection: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AmbiguousResult(f"no answer: {type(error).__name__}") from error

    def session(self) -> aiohttp.ClientSession:
        """The client session, created on first use because it belongs to the running loop."""
        if self.http is None:
            connector = aiohttp.TCPConnector(force_close=True)
            self.http = aiohttp.ClientSession(connector=connector)
        return self.http

    async def close(self) -> None:
        if self.http is not None:
            await self.http.close()
            self.http = None


async def _read_body(answer: aiohttp.ClientResponse) -> bytes:
    """The body, up to BODY_MAX. Raises AmbiguousResult beyond that."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > BODY_MAX:
            raise AmbiguousResult(f"an answer of more than {BODY_MAX} bytes")
    return bytes(body)
