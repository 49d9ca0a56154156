"""Coming back to the same address: only what has changed is sent, and waiting is done as asked.

Every step of a redirect is checked as the first one is.

    Busy   an Away whose server said how long to stay away
    Gone   an Unusable whose server said that it is over
"""

import asyncio
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp
from yarl import URL

from channels.fetch.fetcher import FOR_NOW, MOVED, Away, Fetcher, Unusable, in_our_words

FOR_GOOD = (301, 308)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


class Busy(Away):
    """Not now, and not before `after_s` seconds have passed."""

    def __init__(self, reason: str, after_s: float) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Gone(Unusable):
    """Its server says that nothing will be there again."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What was found. `body` is None where nothing has changed since the last visit."""

    body: bytes | None
    url: str
    """Where it was in the end."""
    moved_for_good: bool = False
    """Every step from the first address to `url` was said to be for good."""
    charset: str = ""
    etag: str = ""
    modified: str = ""
    max_age_s: float = 0.0


class Visitor(Fetcher):
    """Says who comes, and what it has already."""

    agent = "Loa"

    async def visit(self, address: str, *, etag: str = "", modified: str = "") -> Visit:
        """What lies at *address* now. Raises Unusable, Gone, Away, Busy."""
        said = {"If-None-Match": etag, "If-Modified-Since": modified}
        headers = {name: value for name, value in said.items() if value}
        headers |= {"User-Agent": self.agent, "Accept": "*/*", "Accept-Encoding": "gzip"}
        with in_our_words():
            async with asyncio.timeout(self.limits.total_s), self.session(()) as http:
                return await self.walk(http, URL(address), headers)

    async def walk(
        self, http: aiohttp.ClientSession, url: URL, headers: Mapping[str, str]
    ) -> Visit:
        for_good = True
        for step in range(self.limits.redirects + 1):
            self.gate.check_url(url)
            async with http.get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status not in MOVED:
                    return await self.found(answer, str(url), moved_for_good=step > 0 and for_good)
                for_good = for_good and answer.status in FOR_GOOD
                url = onward(url, answer.headers.get("Location", ""))
        raise Unusable("moved too often")

    async def found(
        self, answer: aiohttp.ClientResponse, url: str, *, moved_for_good: bool
    ) -> Visit:
        refuse(answer)
        unchanged = answer.status == HTTPStatus.NOT_MODIFIED
        return Visit(
            None if unchanged else await self.unpacked(answer),
            url,
            moved_for_good,
            answer.charset or "",
            answer.headers.get("ETag", ""),
            answer.headers.get("Last-Modified", ""),
            max_age(answer.headers.get("Cache-Control", "")),
        )

    async def unpacked(self, answer: aiohttp.ClientResponse) -> bytes:
        """The body, which may be no longer unpacked than it may be packed."""
        coding = answer.headers.get("Content-Encoding", "identity").lower()
        if coding not in ("identity", "gzip", "x-gzip"):
            raise Unusable("packed")
        body = await self.whole(answer)
        return body if coding == "identity" else gunzip(body, self.limits.size)


def gunzip(packed: bytes, longest: int) -> bytes:
    """What was packed. Raises Unusable, Away; never unpacks more than *longest* bytes."""
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        body = unpacking.decompress(packed, longest + 1)
    except zlib.error as wrong:
        raise Unusable("packed") from wrong
    if len(body) > longest:
        raise Unusable("too large")
    if not unpacking.eof:
        raise Away("cut short")
    return body


def onward(url: URL, location: str) -> URL:
    """The next step. Raises Unusable for one that would leave encryption behind."""
    there = url.join(URL(location))
    if url.scheme == "https" and there.scheme == "http":
        raise Unusable("moved from https to http")
    return there


def refuse(answer: aiohttp.ClientResponse) -> None:
    """Raises what the status says, unless something was found or nothing has changed."""
    if answer.status in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
        return
    reason = f"http {answer.status}"
    if answer.status == HTTPStatus.GONE:
        raise Gone(reason)
    if answer.status not in FOR_NOW and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unusable(reason)
    if after_s := retry_after(answer.headers.get("Retry-After", ""), datetime.now(UTC)):
        raise Busy(reason, after_s)
    raise Away(reason)


def retry_after(said: str, now: datetime) -> float:
    """The seconds that a Retry-After names, as a number or as a date; 0 for none."""
    if said.strip().isdecimal():
        return float(said[:9])
    try:
        return max(0.0, (parsedate_to_datetime(said) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return 0.0


def max_age(cache_control: str) -> float:
    """How many seconds an answer stays good; 0 where nothing is said."""
    found = _MAX_AGE.search(cache_control)
    return float(found[1]) if found else 0.0
