"""An HTTP request to an address that other people wrote, also for what has changed since."""

import asyncio
import gzip
import re
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from io import BytesIO
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from channels.fetch import errors
from channels.fetch.url_policy import UrlPolicy
from channels.name_lookup import look_up
from contracts.base.conditional_response import ConditionalResponse

_USER_AGENT = "Loa"
_CHUNK_BYTES = 1 << 16
_REDIRECT_STATUSES = (301, 302, 303, 307, 308)
_PERMANENT_REDIRECTS = (301, 308)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_TEMPORARY_STATUSES = (408, 425, 429)
_GOOD = 2
_HostResolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses behind a name. Raises OSError."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of size, time and redirects."""

    max_bytes: int = 10_000_000
    total_s: float = 12.0
    connect_s: float = 3.0
    max_redirects: int = 3


async def _resolve_host(host: str, port: int) -> Sequence[str]:
    return [str(address[0]) for *_, address in await look_up(host, port)]


class CheckedResolver(AbstractResolver):
    """Resolver that refuses a name if any of its addresses is forbidden.

    aiohttp connects to exactly these addresses without resolving again, so a name can't change its
    meaning between check and connection (DNS rebinding).
    """

    def __init__(self, policy: UrlPolicy, lookup: _HostResolver) -> None:
        self.policy = policy
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
            self.policy.check_address(address, port)
        return [resolve_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Do nothing: the resolver holds no resources."""


def resolve_result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )  # fmt: skip


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn errors of a request into PermanentFetchError or TemporaryFetchError."""
    try:
        yield
    except errors.ForbiddenAddress as closed:
        raise errors.PermanentFetchError(closed.fetch_reason) from closed
    except aiohttp.ClientSSLError as trouble:  # that of a certificate is a ValueError, too
        raise _temporary_error(trouble) from trouble
    except ValueError as wrong:
        raise errors.PermanentFetchError(errors.FetchReason.NOT_AN_ADDRESS) from wrong
    except TimeoutError as slow:
        raise errors.TemporaryFetchError(errors.FetchReason.TOO_SLOW) from slow
    except (aiohttp.ClientError, OSError) as trouble:
        raise _temporary_error(trouble) from trouble


def _temporary_error(trouble: aiohttp.ClientError | OSError) -> errors.TemporaryFetchError:
    return errors.TemporaryFetchError(_reason_of(trouble), type(trouble).__name__)


def _reason_of(error: aiohttp.ClientError | OSError) -> errors.FetchReason:
    """Separate the causes that an operator can act on."""
    match error:
        case aiohttp.ClientSSLError():
            return errors.FetchReason.NOT_SECURE
        case aiohttp.ClientConnectorDNSError():
            return errors.FetchReason.UNKNOWN_HOST
    return errors.FetchReason.NO_ANSWER


@dataclass(frozen=True, slots=True)
class _FinalResponse:
    """Response after all redirects; `redirect_statuses` are the statuses on the way."""

    response: aiohttp.ClientResponse
    url: URL
    redirect_statuses: tuple[int, ...]


class Fetcher:
    """Fetcher with one session per request: no cookies, no kept connections, no proxy."""

    def __init__(
        self,
        policy: UrlPolicy | None = None,
        limits: FetchLimits | None = None,
        lookup: _HostResolver = _resolve_host,
    ) -> None:
        self.policy = policy or UrlPolicy()
        self.limits = limits or FetchLimits()
        self.lookup = lookup

    async def fetch(self, address: str, wanted: Collection[str]) -> bytes:
        """Read *address* if its media type is *wanted*. Raises a FetchError."""
        with translate_errors():
            async with (
                asyncio.timeout(self.limits.total_s),
                self._http_session(wanted) as http,
                self._follow_redirects(http, URL(address)) as arrival,
            ):
                return await self._read_response(arrival.response, wanted)

    def _http_session(self, wanted: Collection[str]) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self.policy, self.lookup),
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._open_socket,
        )
        headers = {"User-Agent": _USER_AGENT, "Accept": ", ".join(sorted(wanted))}
        return aiohttp.ClientSession(
            connector=connector,
            headers=headers | {"Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.limits.connect_s),
        )

    def _open_socket(self, address: tuple[Any, ...]) -> socket.socket:
        """Check the very address that is connected to. Raises PermissionError."""
        family, kind, protocol, _, (host, port, *_) = address
        try:
            self.policy.check_address(host, port)
        except errors.ForbiddenAddress as closed:  # aiohttp handles only an OSError here
            raise PermissionError(closed.fetch_reason) from closed
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened

    @asynccontextmanager
    async def _follow_redirects(
        self,
        http: aiohttp.ClientSession,
        url: URL,
        headers: dict[str, str] | None = None,
        method: str = "GET",
    ) -> AsyncIterator[_FinalResponse]:
        """Follow redirects and check each step. Raises ForbiddenAddress, PermanentFetchError."""
        steps: tuple[int, ...] = ()
        while len(steps) <= self.limits.max_redirects:
            self.policy.check_url(url)
            request = http.request(method, url, headers=headers, allow_redirects=False)
            async with request as answer:
                if answer.status not in _REDIRECT_STATUSES:
                    yield _FinalResponse(answer, url, steps)
                    return
                steps = (*steps, answer.status)
                url = self.redirect_target(url, answer.headers.get("Location", ""))
        raise errors.PermanentFetchError(errors.FetchReason.TOO_OFTEN)

    def redirect_target(self, url: URL, location: str) -> URL:
        """URL of the next step. Raises ValueError for a bad one."""
        return url.join(URL(location))

    async def _read_response(self, reply: aiohttp.ClientResponse, wanted: Collection[str]) -> bytes:
        _raise_for_status(reply)
        if reply.content_type not in wanted:
            raise errors.PermanentFetchError(errors.FetchReason.MEDIA_TYPE)
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise errors.PermanentFetchError(errors.FetchReason.PACKED)
        return await self._read_body(reply)

    async def _read_body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        if (response.content_length or 0) > self.limits.max_bytes:
            raise errors.PermanentFetchError(errors.FetchReason.TOO_LARGE)
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self.limits.max_bytes:
                raise errors.PermanentFetchError(errors.FetchReason.TOO_LARGE)
        return bytes(body)


class LinkProbe(Fetcher):
    """Asks whether an address leads anywhere; reads no content."""

    async def probe(self, address: str) -> None:
        """Ask with HEAD, and with GET where HEAD gets no good answer. Raises a FetchError."""
        with translate_errors():
            async with (
                asyncio.timeout(self.limits.total_s),
                self._http_session({"*/*"}) as http,
            ):
                url = URL(address).with_fragment(None)
                with suppress(errors.FetchError, aiohttp.ServerDisconnectedError):
                    await self._ask(http, url, "HEAD")
                    return
                await self._ask(http, url, "GET")

    async def _ask(self, http: aiohttp.ClientSession, url: URL, method: str) -> None:
        async with self._follow_redirects(http, url, method=method) as arrival:
            if arrival.response.status // 100 != _GOOD:
                _raise_for_status(arrival.response)


class ConditionalFetcher(Fetcher):
    """Fetcher that sends its user agent and the validators of the last response."""

    user_agent = _USER_AGENT

    async def fetch_if_changed(
        self, address: str, *, etag: str = "", last_modified: str = ""
    ) -> ConditionalResponse:
        """Read *address* unless it is unchanged. Raises a FetchError."""
        validators = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        validators = {name: value for name, value in validators.items() if value}
        headers = {"User-Agent": self.user_agent, "Accept": "*/*", "Accept-Encoding": "gzip"}
        with translate_errors():
            async with (
                asyncio.timeout(self.limits.total_s),
                self._http_session(()) as http,
                self._follow_redirects(http, URL(address), validators | headers) as arrival,
            ):
                _raise_for_status(arrival.response, is_conditional=bool(validators))
                return await self._read_conditional(arrival)

    def redirect_target(self, url: URL, location: str) -> URL:
        """Raise PermanentFetchError for a redirect from https to http."""
        there = super().redirect_target(url, location)
        if url.scheme == "https" and there.scheme == "http":
            raise errors.PermanentFetchError(errors.FetchReason.UNENCRYPTED)
        return there

    async def _read_conditional(self, final: _FinalResponse) -> ConditionalResponse:
        answer, steps = final.response, final.redirect_statuses
        unchanged = answer.status == HTTPStatus.NOT_MODIFIED
        return ConditionalResponse(
            None if unchanged else await self._read_unpacked_body(answer),
            str(final.url),
            bool(steps) and all(step in _PERMANENT_REDIRECTS for step in steps),
            answer.charset or "",
            answer.headers.get("ETag", ""),
            answer.headers.get("Last-Modified", ""),
            parse_max_age(answer.headers.get("Cache-Control", "")),
        )

    async def _read_unpacked_body(self, response: aiohttp.ClientResponse) -> bytes:
        """Read the body and decompress it; the size limit holds before and after."""
        coding = response.headers.get("Content-Encoding", "identity").lower()
        if coding not in ("identity", "gzip", "x-gzip"):
            raise errors.PermanentFetchError(errors.FetchReason.PACKED)
        body = await self._read_body(response)
        if coding == "identity":
            return body
        return await asyncio.to_thread(_gunzip, body, self.limits.max_bytes)


def _raise_for_status(response: aiohttp.ClientResponse, *, is_conditional: bool = False) -> None:
    """Raise the error of the status, unless it is 200, or 304 to a conditional request."""
    code, status = response.status, str(response.status)
    if code == HTTPStatus.OK or (is_conditional and code == HTTPStatus.NOT_MODIFIED):
        return
    if code == HTTPStatus.GONE:
        raise errors.ResourceGone(errors.FetchReason.STATUS, status)
    if code not in _TEMPORARY_STATUSES and code < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise errors.PermanentFetchError(errors.FetchReason.STATUS, status)
    if after_s := parse_retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC)):
        raise errors.RetryAfter(errors.FetchReason.STATUS, status, after_s)
    raise errors.TemporaryFetchError(errors.FetchReason.STATUS, status)


def parse_retry_after(value: str, now: datetime) -> float:
    """Seconds in a Retry-After header, given as a number or a date; 0 for none."""
    if value.strip().isdecimal():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return 0.0


def _gunzip(packed: bytes, max_bytes: int) -> bytes:
    """Decompress one or more gzip members. Raises PermanentFetchError, TemporaryFetchError.

    Never decompresses more than *max_bytes* bytes.
    """
    try:
        with gzip.GzipFile(fileobj=BytesIO(packed)) as unpacking:
            body = unpacking.read(max_bytes + 1)
    except EOFError as short:
        raise errors.TemporaryFetchError(errors.FetchReason.CUT_SHORT) from short
    except (gzip.BadGzipFile, zlib.error) as wrong:
        raise errors.PermanentFetchError(errors.FetchReason.PACKED) from wrong
    if len(body) > max_bytes:
        raise errors.PermanentFetchError(errors.FetchReason.TOO_LARGE)
    return body


def parse_max_age(cache_control: str) -> float:
    """Seconds in a Cache-Control max-age; 0 for none."""
    match = _MAX_AGE.search(cache_control)
    return float(match[1]) if match else 0.0
