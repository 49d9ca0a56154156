"""Callbacks: one POST to an address that another system named; a redirect is an answer."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import aiohttp
from yarl import URL

from channels.fetch.errors import FetchReason, ForbiddenAddress
from channels.fetch.fetcher import (
    CheckedResolver,
    Fetcher,
    FetchLimits,
    parse_retry_after,
    translate_errors,
)
from channels.fetch.url_policy import UrlPolicy

_LIMITS = FetchLimits(max_bytes=0, total_s=15.0, connect_s=5.0, max_redirects=0)
CONNECTIONS = 4


class WebhookAnswer(NamedTuple):
    """The receiver's answer. `after_s`: the pause that it asks for; 0 for none."""

    status: int
    after_s: float


class WebhookClient(Fetcher):
    """Sends callbacks. Of an answer only its head is read."""

    def __init__(self, policy: UrlPolicy, ca_file: Path | None = None) -> None:
        """*ca_file*: a CA beside those of the system."""
        super().__init__(policy, _LIMITS)
        self.tls = ssl.create_default_context()
        if ca_file:
            self.tls.load_verify_locations(ca_file)

    def check(self, address: str) -> URL:
        """The address, checked without DNS. Raises ForbiddenAddress, ValueError.

        Only a loopback address that the policy excepts needs no TLS.
        """
        url = URL(address)
        self.policy.check_url(url)
        if url.scheme != "https" and not _is_loopback(url.raw_host or ""):
            raise ForbiddenAddress(FetchReason.UNENCRYPTED)
        return url

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Connections to one receiver."""
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self.policy, self.lookup),
            use_dns_cache=False,
            limit=CONNECTIONS,
            ssl=self.tls,
            socket_factory=self._open_socket,
        )
        async with aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": "Loa"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.limits.connect_s),
        ) as http:
            yield http

    async def post(
        self, http: aiohttp.ClientSession, address: str, headers: Mapping[str, str], body: bytes
    ) -> WebhookAnswer:
        """Send one callback. Raises a FetchError where no answer came."""
        with translate_errors():
            request = http.post(
                self.check(address), data=body, headers=headers, allow_redirects=False
            )
            async with asyncio.timeout(self.limits.total_s), request as answer:
                after = answer.headers.get("Retry-After", "")
                return WebhookAnswer(answer.status, parse_retry_after(after, datetime.now(UTC)))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
