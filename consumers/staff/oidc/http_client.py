"""Requests to the provider: JSON answers, bounded in size and time, and no redirects."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from consumers.staff.oidc.errors import ProviderFault, ProviderUnavailable
from consumers.staff.oidc.metadata import is_safe_address

_MAX_BYTES = 128 << 10
_CHUNK_BYTES = 1 << 14
_TOTAL_S = 10.0
_CONNECT_S = 3.0
_AT_ONCE = 8
_READABLE = (HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)
"""The token endpoint explains a refusal with 400 or 401."""
_HEADERS = {"User-Agent": "Loa", "Accept": "application/json", "Accept-Encoding": "identity"}


class JsonAnswer(NamedTuple):
    status: int
    document: Mapping[str, Any]


@dataclass
class ProviderHttp:
    """Asks the provider. *ca_file*: the CA of its certificate in place of the system's."""

    ca_file: Path | None = None
    total_s: float = _TOTAL_S
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def __post_init__(self) -> None:
        self.tls = ssl.create_default_context(cafile=self.ca_file)

    async def get(self, url: str) -> Mapping[str, Any]:
        """The document at *url*. Raises ProviderUnavailable."""
        answer = await self._ask("GET", url)
        if answer.status != HTTPStatus.OK:
            raise ProviderUnavailable(ProviderFault.STATUS)
        return answer.document

    async def post(
        self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]
    ) -> JsonAnswer:
        """The answer to a form: 200, 400 or 401. Raises ProviderUnavailable."""
        return await self._ask("POST", url, data=fields, headers=headers)

    async def _ask(self, method: str, url: str, **request: Any) -> JsonAnswer:
        if not is_safe_address(url):
            raise ProviderUnavailable(ProviderFault.ADDRESS)
        try:
            async with (
                asyncio.timeout(self.total_s),
                self.places,
                self._session() as http,
                http.request(method, url, allow_redirects=False, **request) as answer,
            ):
                return await _read(answer)
        except TimeoutError as slow:
            raise ProviderUnavailable(ProviderFault.TOO_SLOW) from slow
        except aiohttp.ClientSSLError as wrong:
            raise ProviderUnavailable(ProviderFault.NOT_SECURE) from wrong
        except (aiohttp.ClientError, OSError, ValueError) as trouble:
            raise ProviderUnavailable(ProviderFault.NO_ANSWER) from trouble

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A session for one request: no cookies, no kept connection, no proxy."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls, force_close=True),
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
        ) as http:
            yield http


async def _read(answer: aiohttp.ClientResponse) -> JsonAnswer:
    """Raises ProviderUnavailable for another status or type, or too many bytes."""
    if answer.status not in _READABLE:
        raise ProviderUnavailable(ProviderFault.STATUS)
    if not answer.content_type.endswith("json"):
        raise ProviderUnavailable(ProviderFault.MEDIA_TYPE)
    body = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > _MAX_BYTES:
            raise ProviderUnavailable(ProviderFault.TOO_LARGE)
    return JsonAnswer(answer.status, _parse(body))


def _parse(body: bytearray) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as wrong:
        raise ProviderUnavailable(ProviderFault.MALFORMED) from wrong
    if not isinstance(document, dict):
        raise ProviderUnavailable(ProviderFault.MALFORMED)
    return document
