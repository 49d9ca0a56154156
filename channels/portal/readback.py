"""Readback: check over HTTP that readers see the pages and feeds that were written."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
import structlog
from aiohttp import ClientSession
from lxml import etree

from channels.portal.errors import error_reason
from channels.portal.model.site import Site, item_path
from channels.portal.render.xml import ATOM_NS, parse_rfc3339
from contracts.publication import Publication

_WAIT_MAX_S = 20.0
"""Web servers and caches may lag by so much; a longer lag is reported."""
_FIRST_PAUSE_S, _PAUSE_MAX_S = 0.1, 2.0
_READ_TIMEOUT_S = 5.0
_PATIENCE_S = 1.0
"""How long a delivery waits for its readback, where pages are seen as soon as they are written."""
_RETRY_MIN_S, _RETRY_MAX_S = 30.0, 1800.0
_PARALLEL_CHECKS, _MAX_CHECKS = 4, 200
_PROBE_PAUSE_S = 5.0
"""The pause between two checks while the address fails: each may hold up a look-up of a name."""
_NOT_READ_YET = "not read yet"
_BODY_MAX_BYTES = 32 << 20
"""More than a page or a feed of ours can have; an address that serves without end is not ours."""
_PAGE_STATUSES = (200, 410)
_ATOM = f"{{{ATOM_NS}}}"
FindFeeds = Callable[[Publication], Awaitable[Sequence[str]]]
"""Finds the paths of the Atom documents that have to show an item. Raises OSError."""
ReportReadback = Callable[[str], Awaitable[None]]
"""Called with the reason why readers cannot see an item; empty when they can."""

log = structlog.get_logger()


async def read_limited(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Read a response's body, but not much more than *most* bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            break
    return bytes(body)


class Readback:
    """Reads pages and feeds below *address* and compares them with the folder *public*.

    Checks run in the background, so that no delivery waits for an address that fails. While it
    fails, one item at a time is looked for, once, and no other is.
    """

    def __init__(
        self, address: str, public: Path, site: Site, find_feeds: FindFeeds, report: ReportReadback
    ) -> None:
        self._address = address.rstrip("/")
        self._public = public
        self._site = site
        self._find_feeds = find_feeds
        self._report = report
        self._checks: dict[str, asyncio.Task[str]] = {}
        self._places = asyncio.Semaphore(_PARALLEL_CHECKS)
        self._is_visible = True
        self._is_quick = True  # the result of a check is worth a short wait
        self._last_failure = ""
        self._failing_since = 0.0
        self._next_probe_at = 0.0

    async def close(self) -> None:
        """End the checks that run."""
        for check in self._checks.values():
            check.cancel()
        if self._checks:
            await asyncio.wait(self._checks.values())

    async def failure(self, publication: Publication) -> str:
        """Why readers cannot see the item yet, safe to log; empty when they can.

        The first call starts the check; a later one gets its result, or its error, once.
        """
        key = _item_key(publication)
        check = self._checks.get(key)
        if check is None or (check.done() and not check.exception() and check.result()):
            check = self._start_check(key, publication)
        if check is None:
            return self._last_failure or _NOT_READ_YET
        await asyncio.wait({check}, timeout=_PATIENCE_S if self._is_quick else 0)
        if not check.done():
            self._is_quick = False
            return self._last_failure or _NOT_READ_YET
        self._checks.pop(key, None)
        return check.result()

    def retry_after_s(self, publication: Publication) -> float:
        """When to ask again: later, the longer the address fails, and spread over items."""
        failing_s = asyncio.get_running_loop().time() - self._failing_since
        if self._is_visible or failing_s <= _RETRY_MIN_S:
            return _RETRY_MIN_S
        spread = 0.5 + zlib.crc32(_item_key(publication).encode()) % 512 / 1024
        return _RETRY_MIN_S + (min(failing_s, _RETRY_MAX_S) - _RETRY_MIN_S) * spread

    def _start_check(self, key: str, publication: Publication) -> asyncio.Task[str] | None:
        """Start a check, unless too many run, or the address fails and was just probed."""
        now, running = asyncio.get_running_loop().time(), self._running_checks()
        if not self._is_visible and (running or now < self._next_probe_at):
            return None
        if len(self._checks) >= _MAX_CHECKS:
            self._checks = running
        if len(self._checks) >= _MAX_CHECKS:
            return None
        self._checks[key] = asyncio.create_task(self._check(publication))
        return self._checks[key]

    def _running_checks(self) -> dict[str, asyncio.Task[str]]:
        return {key: check for key, check in self._checks.items() if not check.done()}

    async def _check(self, publication: Publication) -> str:
        async with self._places:
            try:
                feeds = await self._find_feeds(publication)
            except OSError as error:
                failure = error_reason(error)
            else:
                failure = await self.find_failure(publication, feeds) if feeds else "in no feed"
        await self._report(failure)
        return failure

    async def find_failure(self, publication: Publication, feeds: Sequence[str]) -> str:
        """Why readers cannot see the item, after some patience with a web server that lags.

        Readers see an item when its page is the file that was written and each of *feeds*, paths of
        Atom documents, has its entry, as new as *publication* or newer.
        """
        loop, pause_s = asyncio.get_running_loop(), _FIRST_PAUSE_S
        until = loop.time() + (_WAIT_MAX_S if self._is_visible else 0)
        failure = await self._look(publication, feeds)
        while failure and loop.time() + pause_s < until:
            self._is_quick = False
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)
            failure = await self._look(publication, feeds)
        self._note_result(failure)
        return failure

    async def _look(self, publication: Publication, feeds: Sequence[str]) -> str:
        loop = asyncio.get_running_loop()
        began = loop.time()
        failure = await self._check_once(publication, feeds)
        self._is_quick = loop.time() - began < _PATIENCE_S
        return failure

    async def _check_once(self, publication: Publication, feeds: Sequence[str]) -> str:
        timeout = aiohttp.ClientTimeout(total=_READ_TIMEOUT_S)
        try:
            async with ClientSession(timeout=timeout) as http:
                if failure := await self._check_page(http, publication):
                    return failure
                for path in feeds:
                    if failure := await self._check_feed(http, publication, path):
                        return failure
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a time-out is an OSError
            return type(error).__name__
        return ""

    async def _check_page(self, http: ClientSession, publication: Publication) -> str:
        """How the page differs from its file, before or after a concurrent write."""
        path = item_path(publication.content_id)
        file = self._public / path[1:] / "index.html"
        before = await asyncio.to_thread(file.read_bytes)
        status, body = await self._read(http, path, publication.revision)
        if status not in _PAGE_STATUSES:
            return f"HTTP {status}"
        if body in (before, await asyncio.to_thread(file.read_bytes)):
            return ""
        return "not the file that was written"

    async def _check_feed(self, http: ClientSession, publication: Publication, path: str) -> str:
        """Why the feed lacks the publication; empty when it has it."""
        status, body = await self._read(http, path, publication.revision)
        failure, url = f"HTTP {status}", self._site.item_url(publication.content_id)
        if status == 200:
            failure = await asyncio.to_thread(_missing_from_feed, body, url, publication)
        return f"{path.removeprefix('/nguon-tin/')}: {failure}" if failure else ""

    async def _read(self, http: ClientSession, path: str, revision: int) -> tuple[int, bytes]:
        """Status and body; the query parameter bypasses caches."""
        params = {"ban": str(revision)}
        async with http.get(self._address + path, params=params, allow_redirects=False) as response:
            is_page = response.status in _PAGE_STATUSES
            body = await read_limited(response, _BODY_MAX_BYTES) if is_page else b""
            return response.status, body

    def _note_result(self, failure: str) -> None:
        """Log the first failure, and the first success after one."""
        now = asyncio.get_running_loop().time()
        self._next_probe_at = now + _PROBE_PAUSE_S
        if failure and self._is_visible:
            self._failing_since = now
            log.error("portal_not_seen", reason=failure, url=self._address)
        elif not failure and not self._is_visible:
            log.info("portal_seen_again")
        self._is_visible, self._last_failure = not failure, failure


def _item_key(publication: Publication) -> str:
    return f"{publication.content_id}.{publication.revision}"


def _missing_from_feed(feed: bytes, url: str, publication: Publication) -> str:
    """Why the Atom *feed* lacks *publication*, the item at *url*; empty when it has it.

    A newer position of the item counts, too, because it replaced this one.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        entries = etree.fromstring(feed, parser).findall(f"{_ATOM}entry")
    except etree.XMLSyntaxError:
        entries = []
    wanted = max(publication.shown_at, publication.first_shown_at)
    for entry in entries:
        if entry.findtext(f"{_ATOM}id") == url:
            updated = parse_rfc3339(entry.findtext(f"{_ATOM}updated"))
            return "" if updated and updated >= wanted else "an earlier position"
    return "without the item"
