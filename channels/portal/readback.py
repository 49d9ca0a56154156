"""Readback: check over HTTP that readers see the pages and feeds that were written."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import structlog
from aiohttp import ClientSession
from lxml import etree

from channels.portal.model.site import Site, item_path
from channels.portal.render.xml import ATOM_NS, parse_rfc3339
from contracts.publication import Publication

_WAIT_MAX_S = 20.0
"""Web servers and caches may lag by so much; a longer lag is reported."""
_FIRST_PAUSE_S, _PAUSE_MAX_S = 0.1, 2.0
_READ_TIMEOUT_S = 5.0
_PAGE_STATUSES = (200, 410)
_ATOM = f"{{{ATOM_NS}}}"

log = structlog.get_logger()


class Readback:
    """Reads pages and feeds below *address* and compares them with the folder *public*.

    While the address fails, each item is read once only, so that deliveries go on without delay.
    """

    def __init__(
        self, address: str, public: Path, site: Site, wait_max_s: float = _WAIT_MAX_S
    ) -> None:
        self._address = address.rstrip("/")
        self._public = public
        self._site = site
        self._wait_max_s = wait_max_s
        self._is_visible = True

    async def find_failure(self, publication: Publication, feeds: Sequence[str]) -> str:
        """Why readers cannot see the item, safe to log; empty when they can.

        Readers see an item when its page is the file that was written and each of *feeds*, paths of
        Atom documents, has its entry, as new as *publication* or newer.
        """
        loop, pause_s = asyncio.get_running_loop(), _FIRST_PAUSE_S
        until = loop.time() + (self._wait_max_s if self._is_visible else 0)
        failure = await self._check_once(publication, feeds)
        while failure and loop.time() + pause_s < until:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)
            failure = await self._check_once(publication, feeds)
        self._log_change(failure)
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
            return response.status, await response.read() if is_page else b""

    def _log_change(self, failure: str) -> None:
        """Log the first failure, and the first success after one."""
        if failure and self._is_visible:
            log.error("portal_not_seen", reason=failure, url=self._address)
        elif not failure and not self._is_visible:
            log.info("portal_seen_again")
        self._is_visible = not failure


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
