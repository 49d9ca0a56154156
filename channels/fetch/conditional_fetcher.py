"""Conditional requests: read a resource again only if it changed.

The URL policy checks every step of a redirect.
"""

import asyncio
import gzip
import re
import zlib
from http import HTTPStatus
from io import BytesIO

import aiohttp
from yarl import URL

from channels.fetch.errors import FetchReason, PermanentFetchError, TemporaryFetchError
from channels.fetch.fetcher import (
    USER_AGENT,
    Fetcher,
    FinalResponse,
    raise_for_status,
    translate_errors,
)
from contracts.base.conditional_response import ConditionalResponse

_PERMANENT_REDIRECTS = (301, 308)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


class ConditionalFetcher(Fetcher):
    """Fetcher that sends its user agent and the validators of the last response."""

    user_agent = USER_AGENT

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
                self.http_session(()) as http,
                self.follow_redirects(http, URL(address), validators | headers) as arrival,
            ):
                # A 304 to a request without validators is an error.
                raise_for_status(
                    arrival.response, *([HTTPStatus.NOT_MODIFIED] if validators else ())
                )
                return await self._read_conditional(arrival)

    def redirect_target(self, url: URL, location: str) -> URL:
        """Raise PermanentFetchError for a redirect from https to http."""
        there = super().redirect_target(url, location)
        if url.scheme == "https" and there.scheme == "http":
            raise PermanentFetchError(FetchReason.UNENCRYPTED)
        return there

    async def _read_conditional(self, final: FinalResponse) -> ConditionalResponse:
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
            raise PermanentFetchError(FetchReason.PACKED)
        body = await self.read_body(response)
        if coding == "identity":
            return body
        return await asyncio.to_thread(gunzip, body, self.limits.max_bytes)


def gunzip(packed: bytes, max_bytes: int) -> bytes:
    """Decompress one or more gzip members. Raises PermanentFetchError, TemporaryFetchError.

    Never decompresses more than *max_bytes* bytes.
    """
    try:
        with gzip.GzipFile(fileobj=BytesIO(packed)) as unpacking:
            body = unpacking.read(max_bytes + 1)
    except EOFError as short:
        raise TemporaryFetchError(FetchReason.CUT_SHORT) from short
    except (gzip.BadGzipFile, zlib.error) as wrong:
        raise PermanentFetchError(FetchReason.PACKED) from wrong
    if len(body) > max_bytes:
        raise PermanentFetchError(FetchReason.TOO_LARGE)
    return body


def parse_max_age(cache_control: str) -> float:
    """Seconds in a Cache-Control max-age; 0 for none."""
    match = _MAX_AGE.search(cache_control)
    return float(match[1]) if match else 0.0
