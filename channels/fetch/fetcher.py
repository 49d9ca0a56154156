"""One request for what lies at an address that somebody else wrote.

Unusable   it will never be fetched from there: a closed address, too large, not what was wanted
Away       not now: no answer, a broken one, a server in trouble
"""

import asyncio
import socket
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from channels.fetch.public import Closed, Gate
from channels.fetch.reasons import Why

AGENT = "Loa"
CHUNK = 1 << 16
MOVED = (301, 302, 303, 307, 308)
FOR_NOW = (408, 425, 429)

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses behind a name. Raises OSError."""


class FetchError(Exception):
    """Nothing was fetched. `reason` is safe to log: no address, no text.

    *detail* is a status, or what a library calls the trouble.
    """

    def __init__(self, why: Why, detail: str = "") -> None:
        self.why = why
        self.detail = detail
        self.reason = f"{why} {detail}".rstrip()
        super().__init__(self.reason)


class Unusable(FetchError):
    """It can't be had from there, however often one asks."""


class Away(FetchError):
    """It can't be had now."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much, how long, how far."""

    size: int = 10_000_000
    total_s: float = 12.0
    connect_s: float = 3.0
    redirects: int = 3


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was there, under the media type that its server calls it by."""

    media_type: str
    body: bytes


async def look_up(host: str, port: int) -> Sequence[str]:
    """What the machine's own resolver says."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Checked(AbstractResolver):
    """Every address of a name must be open: else none of them is used.

    aiohttp connects to what this returns and asks nobody again, so that a name can't mean one thing
    here and another a moment later.
    """

    def __init__(self, gate: Gate, lookup: Lookup) -> None:
        self.gate = gate
        self.lookup = lookup

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 -- both are looked up
    ) -> list[ResolveResult]:
        addresses = await self.lookup(host, port)
        if not addresses:
            raise OSError("no address")
        for address in addresses:
            self.gate.check_address(address, port)
        return [result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Nothing is kept open."""


def result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )  # fmt: skip


@contextmanager
def in_our_words() -> Iterator[None]:
    """What may go wrong with a request, as Unusable or Away."""
    try:
        yield
    except Closed as closed:
        raise Unusable(closed.why) from closed
    except ValueError as wrong:
        raise Unusable(Why.NOT_AN_ADDRESS) from wrong
    except TimeoutError as slow:
        raise Away(Why.TOO_SLOW) from slow
    except (aiohttp.ClientError, OSError) as trouble:
        raise Away(why_not(trouble), type(trouble).__name__) from trouble


def why_not(trouble: aiohttp.ClientError | OSError) -> Why:
    """What an operator can do something about, told apart."""
    match trouble:
        case aiohttp.ClientSSLError():
            return Why.NOT_SECURE
        case aiohttp.ClientConnectorDNSError():
            return Why.UNKNOWN_HOST
        case _:
            return Why.NO_ANSWER


@dataclass(frozen=True, slots=True)
class Arrival:
    """The answer at the end of a way; `steps` are the statuses that led there."""

    answer: aiohttp.ClientResponse
    url: URL
    steps: tuple[int, ...]


class Fetcher:
    """Each fetch has a session of its own: no cookies, no kept connections, no proxy."""

    def __init__(
        self, gate: Gate | None = None, limits: Limits | None = None, lookup: Lookup = look_up
    ) -> None:
        self.gate = gate or Gate()
        self.limits = limits or Limits()
        self.lookup = lookup

    async def fetch(self, address: str, wanted: Collection[str]) -> Fetched:
        """What lies at *address*, if its media type is *wanted*. Raises Unusable, Away."""
        with in_our_words():
            async with (
                asyncio.timeout(self.limits.total_s),
                self.session(wanted) as http,
                self.walk(http, URL(address)) as arrival,
            ):
                return await self.taken(arrival.answer, wanted)

    def session(self, wanted: Collection[str]) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=Checked(self.gate, self.lookup),
            use_dns_cache=False,
            force_close=True,
            socket_factory=self.open_socket,
        )
        headers = {
            "User-Agent": AGENT,
            "Accept": ", ".join(sorted(wanted)),
            "Accept-Encoding": "identity",
        }
        return aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.limits.connect_s),
        )

    def open_socket(self, address: tuple[Any, ...]) -> socket.socket:
        """The last look, at the very address that is connected to. Raises PermissionError."""
        family, kind, protocol, _, (host, port, *_) = address
        try:
            self.gate.check_address(host, port)
        except Closed as closed:  # what opens connections knows what to do with an OSError only
            raise PermissionError(closed.why) from closed
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened

    @asynccontextmanager
    async def walk(
        self, http: aiohttp.ClientSession, url: URL, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Arrival]:
        """Go where it is, each step checked anew. Raises Closed, Unusable."""
        steps: tuple[int, ...] = ()
        while len(steps) <= self.limits.redirects:
            self.gate.check_url(url)
            async with http.get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status not in MOVED:
                    yield Arrival(answer, url, steps)
                    return
                steps = (*steps, answer.status)
                url = self.onward(url, answer.headers.get("Location", ""))
        raise Unusable(Why.TOO_OFTEN)

    def onward(self, url: URL, location: str) -> URL:
        """The next step. Raises ValueError for none."""
        return url.join(URL(location))

    async def taken(self, answer: aiohttp.ClientResponse, wanted: Collection[str]) -> Fetched:
        if answer.status != HTTPStatus.OK:
            later = answer.status in FOR_NOW or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise (Away if later else Unusable)(Why.STATUS, str(answer.status))
        if answer.content_type not in wanted:
            raise Unusable(Why.MEDIA_TYPE)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise Unusable(Why.PACKED)
        return Fetched(answer.content_type, await self.whole(answer))

    async def whole(self, answer: aiohttp.ClientResponse) -> bytes:
        """The body, read no further than it may be long."""
        body = bytearray()
        if (answer.content_length or 0) > self.limits.size:
            raise Unusable(Why.TOO_LARGE)
        async for chunk in answer.content.iter_chunked(CHUNK):
            body += chunk
            if len(body) > self.limits.size:
                raise Unusable(Why.TOO_LARGE)
        return bytes(body)
