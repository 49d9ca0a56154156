"""Coming back to the same address: only what has changed is sent, and waiting is done as asked.

Every step of a redirect is checked as the first one is.

    Busy   an Away whose server said how long to stay away
    Gone   an Unusable whose server said that it is over
"""

import asyncio
import gzip
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from io import BytesIO

import aiohttp
from yarl import URL

from channels.fetch.fetcher import FOR_NOW, Arrival, Away, Fetcher, Unusable, in_our_words
from channels.fetch.reasons import Why

FOR_GOOD = (301, 308)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


class Busy(Away):
    """Not now, and not before `after_s` seconds have passed."""

    def __init__(self, why: Why, detail: str, after_s: float) -> None:
        super().__init__(why, detail)
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
        known = {name: value for name, value in said.items() if value}
        ours = {"User-Agent": self.agent, "Accept": "*/*", "Accept-Encoding": "gzip"}
        with in_our_words():
            async with (
                asyncio.timeout(self.limits.total_s),
                self.session(()) as http,
                self.walk(http, URL(address), known | ours) as arrival,
            ):
                refuse(arrival.answer, unchanged=bool(known))
                return await self.found(arrival)

    def onward(self, url: URL, location: str) -> URL:
        """Raises Unusable for a step that would leave encryption behind."""
        there = super().onward(url, location)
        if url.scheme == "https" and there.scheme == "http":
            raise Unusable(Why.UNENCRYPTED)
        return there

    async def found(self, arrival: Arrival) -> Visit:
        answer, steps = arrival.answer, arrival.steps
        unchanged = answer.status == HTTPStatus.NOT_MODIFIED
        return Visit(
            None if unchanged else await self.unpacked(answer),
            str(arrival.url),
            bool(steps) and all(step in FOR_GOOD for step in steps),
            answer.charset or "",
            answer.headers.get("ETag", ""),
            answer.headers.get("Last-Modified", ""),
            max_age(answer.headers.get("Cache-Control", "")),
        )

    async def unpacked(self, answer: aiohttp.ClientResponse) -> bytes:
        """The body, which may be no longer unpacked than it may be packed."""
        coding = answer.headers.get("Content-Encoding", "identity").lower()
        if coding not in ("identity", "gzip", "x-gzip"):
            raise Unusable(Why.PACKED)
        body = await self.whole(answer)
        if coding == "identity":
            return body
        return await asyncio.to_thread(gunzip, body, self.limits.size)


def gunzip(packed: bytes, longest: int) -> bytes:
    """What was packed, of however many pieces. Raises Unusable, Away.

    It never unpacks more than *longest* bytes.
    """
    try:
        with gzip.GzipFile(fileobj=BytesIO(packed)) as unpacking:
            body = unpacking.read(longest + 1)
    except EOFError as short:
        raise Away(Why.CUT_SHORT) from short
    except (gzip.BadGzipFile, zlib.error) as wrong:
        raise Unusable(Why.PACKED) from wrong
    if len(body) > longest:
        raise Unusable(Why.TOO_LARGE)
    return body


def refuse(answer: aiohttp.ClientResponse, *, unchanged: bool) -> None:
    """Raises what the status says, unless something was found, or nothing has changed.

    *unchanged*: it was asked whether something has. Who was not, and says so, says nothing.
    """
    good = (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED) if unchanged else (HTTPStatus.OK,)
    if answer.status in good:
        return
    status = str(answer.status)
    if answer.status == HTTPStatus.GONE:
        raise Gone(Why.STATUS, status)
    if answer.status not in FOR_NOW and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unusable(Why.STATUS, status)
    if after_s := retry_after(answer.headers.get("Retry-After", ""), datetime.now(UTC)):
        raise Busy(Why.STATUS, status, after_s)
    raise Away(Why.STATUS, status)


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
